import { stripVTControlCharacters } from 'node:util'
import { expect, it } from 'vitest'
import { renderTable } from '../../src/report/table.ts'
import { comparison } from './fixture.ts'

const results = await comparison()
const header = (table: string) => table.split('\n').find(line => line.startsWith('policy'))!

it.each([60, 80, 100, 120, 200])('at a width of %i no line is wider, and work done is there', width => {
  const table = renderTable(results, { color: false, width })
  const rows = table
    .split('\n')
    .filter(line => /^(policy|eager|lazy|qemu|read|working|mmap)/.test(line) && !line.includes('finishes'))
  expect(rows).toHaveLength(1 + results.length)
  for (const row of rows) expect(row.length).toBeLessThanOrEqual(width)
  expect(header(table)).toContain('work done')
})

it('shows more columns the more room there is, and resume never alone', () => {
  const titles = (width: number) => header(renderTable(results, { color: false, width })).split(/ {2,}/).length
  expect(titles(200)).toBe(11)
  expect(titles(80)).toBeLessThan(titles(120))
  for (let width = 20; width < 200; width += 5) {
    const shown = header(renderTable(results, { color: false, width }))
    if (shown.includes('resume')) expect(shown).toContain('work done')
  }
})

it('marks the best value of a column, ties included, and nothing else', () => {
  const [eager, lazy, sweep] = ['eager', 'lazy', 'lazy-sweep'].map(
    name => results.find(({ policy }) => policy === name)!,
  )
  const rows = [
    { ...eager, resumeNs: 30e6, workDoneNs: 90e6 },
    { ...lazy, resumeNs: 10e6, workDoneNs: 80e6, residentNs: null },
    { ...sweep, resumeNs: 10e6, workDoneNs: 70e6, residentNs: 99e6 },
  ]
  const line = (name: string) =>
    renderTable(rows, { color: false, width: 200 })
      .split('\n')
      .find(text => text.startsWith(`${name} `))!
  expect(line('eager')).toMatch(/^eager +30\.0 ms +\S+ ms\*? +90\.0 ms /)
  expect(line('lazy')).toMatch(/^lazy +10\.0 ms\* .* 80\.0 ms +never /)
  expect(line('lazy-sweep')).toMatch(/^lazy-sweep +10\.0 ms\* .* 70\.0 ms\* +99\.0 ms /)
})

it('marks nothing when there is nothing to choose', () => {
  expect(renderTable([results[0]], { color: false, width: 200 })).not.toContain('*')
})

it('in colour, the text is the same but for the asterisks', () => {
  const plain = renderTable(results, { color: false, width: 200 })
    .replaceAll('*', ' ')
    .replace(/ {2}best in its column\n/, '')
  const coloured = stripVTControlCharacters(renderTable(results, { color: true, width: 200 }))
  const squeeze = (text: string) =>
    text
      .split('\n')
      .map(line => line.replace(/ +/g, ' ').trim())
      .filter(line => line !== 'best in its column')
  expect(squeeze(coloured)).toEqual(squeeze(plain))
})

it('says in words who finishes first', () => {
  const rows = [
    { ...results[0], policy: 'slow', resumeNs: 1e6, workDoneNs: 300e6 },
    { ...results[0], policy: 'quick', resumeNs: 50e6, workDoneNs: 100e6 },
  ]
  const table = renderTable(rows, { color: false, width: 120 })
  expect(table).toContain('quick finishes the work first: 100 ms, 3.0 × sooner than slow (300 ms).')
  expect(table).toContain('slow lets the VM run first, after 1.00 ms, and finishes the work after 300 ms.')
})
