import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { RestoreResult } from '../../src/engine/result.ts'
import { renderTable } from '../../src/report/table.ts'
import { records } from './fixture.ts'

const results = records()
const [eager, lazy, sweep] = records('eager', 'lazy', 'lazy-sweep')
const plain = (rows: readonly RestoreResult[], width = 200) => renderTable(rows, { color: false, width })
const lines = (rows: readonly RestoreResult[], width = 200) => plain(rows, width).split('\n')
const header = (width: number, rows = results) => lines(rows, width).find(line => line.startsWith('policy'))!
const row = (rows: readonly RestoreResult[], name: string) => lines(rows).find(line => line.startsWith(`${name} `))!

describe('the table', () => {
  it.each([80, 120, 200])('reads like this at a width of %i', width => {
    expect(plain(results, width)).toMatchSnapshot()
    expect(renderTable(results, { color: true, width })).toMatchSnapshot()
  })

  it.each([60, 80, 100, 120, 200])('is no wider than %i, the facts and sentences around it included', width => {
    for (const line of lines(results, width)) expect(line.length).toBeLessThanOrEqual(width)
  })

  it('shows work done at every width, and resume with it from 60 on', () => {
    for (let width = 20; width <= 220; width++) {
      expect(header(width)).toContain('work done')
      if (width >= 60) expect(header(width)).toMatch(/resume +.*work done/)
    }
  })

  it('shows more columns the more room there is', () => {
    const counts = [20, 40, 60, 80, 100, 120, 140, 160].map(width => header(width).split(/ {2,}/).length)
    expect(counts).toEqual(counts.toSorted((a, b) => a - b))
    expect(counts[0]).toBe(2)
    expect(counts.at(-1)).toBe(12)
  })

  it('has every column end in the same place in all rows', () => {
    const marked = lines([eager, lazy, sweep]).filter(line => /^(policy|eager|lazy)(-sweep)? {2,}/.test(line))
    expect(marked).toHaveLength(4)
    const end = header(200, [eager, lazy, sweep]).indexOf('work done') + 'work done'.length
    for (const line of marked) expect(line.slice(end - 1, end + 1)).toMatch(/^\S[ *]$/)
  })

  it('breaks a long policy name rather than lose columns to it', () => {
    const policy = 'lazy-sweep:rate=200MiB,yield=false,handlers=4,workers=2,batch=16'
    const rows = [eager, { ...sweep, policy }]
    expect(header(80, rows)).toContain('fully resident')
    const start = lines(rows, 80).findIndex(line => line.startsWith('lazy-sweep:'))
    const name = lines(rows, 80).slice(start, start + 3)
    expect(name.map(line => line.replace(/^(\S*)\s.*$/, '$1') || line.trim()).join('')).toBe(policy)
  })

  it('says that there is nothing to show', () => {
    expect(plain([])).toBe('no restore to show\n')
  })

  it('lets no control character of a file name reach the terminal', () => {
    const table = plain([
      { ...eager, snapshot: { ...eager.snapshot, name: 'vm\u001b[31m.mig' }, policy: 'eager\u0007' },
    ])
    expect(table).toContain('vm\ufffd[31m.mig')
    expect(table.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
  })

  it('tells rows of the same policy apart, by engine or by number', () => {
    const names = (rows: readonly RestoreResult[]) =>
      lines(rows)
        .map(line => /^(lazy.*?) {2,}/.exec(line)?.[1])
        .filter(name => name !== undefined)
    expect(names([lazy, lazy, { ...lazy, policy: 'lazy #2' }])).toEqual(['lazy', 'lazy #3', 'lazy #2'])
    expect(names([lazy, { ...lazy, engine: 'uffd' }])).toEqual(['lazy (sim)', 'lazy (uffd)'])
    expect(plain([lazy, { ...lazy, engine: 'uffd' }])).toMatch(/^engine +sim and uffd, seed 1/m)
  })
})

describe('the mark of the best value', () => {
  const rows = [
    { ...eager, resumeNs: 30e6, workDoneNs: 90e6 },
    { ...lazy, resumeNs: 10e6, workDoneNs: 80e6, residentNs: null },
    { ...sweep, resumeNs: 10e6, workDoneNs: 70e6, residentNs: 99e6 },
  ]

  it('is on all that share it and on nothing else', () => {
    expect(row(rows, 'eager')).toMatch(/^eager +30\.0 ms .* 90\.0 ms +508 ms /)
    expect(row(rows, 'lazy')).toMatch(/^lazy +10\.0 ms\* .* 80\.0 ms +never /)
    expect(row(rows, 'lazy-sweep')).toMatch(/^lazy-sweep +10\.0 ms\* .* 70\.0 ms\* +99\.0 ms\* /)
  })

  it('is on values that read alike', () => {
    const near = [rows[0], { ...rows[1], workDoneNs: 70.01e6 }, rows[2]]
    expect(row(near, 'lazy')).toContain(' 70.0 ms* ')
    expect(row(near, 'lazy-sweep')).toContain(' 70.0 ms* ')
  })

  it('is nowhere when there is nothing to choose', () => {
    expect(plain([eager])).not.toContain('*')
    expect(plain([lazy, lazy])).not.toContain('*')
  })

  it('is never on a value that is not there', () => {
    const never = [rows[1], { ...rows[2], residentNs: null, firstAccessNs: null }]
    expect(row(never, 'lazy-sweep')).toMatch(/ – {2}/)
    expect(plain(never)).not.toMatch(/(never|–)\*/)
  })

  it('is a colour where there is colour, in the same place', () => {
    const coloured = renderTable(rows, { color: true, width: 200 })
    expect(coloured).toContain('\u001b[1m\u001b[32m70.0 ms\u001b[39m\u001b[22m')
    const table = (text: string) => text.split('\n').filter(line => /^(policy|eager|lazy)/.test(line))
    const bare = plain(rows)
      .replaceAll('*', ' ')
      .split('\n')
      .map(line => line.trimEnd())
      .join('\n')
    const stripped = stripVTControlCharacters(coloured)
      .split('\n')
      .map(line => line.trimEnd())
      .join('\n')
    expect(table(stripped)).toEqual(table(bare))
  })
})

describe('the sentences', () => {
  const said = (...times: readonly (readonly [policy: string, resumeMs: number, workMs: number])[]) =>
    lines(
      times.map(([policy, resumeMs, workMs]) => ({
        ...lazy,
        policy,
        resumeNs: resumeMs * 1e6,
        workDoneNs: workMs * 1e6,
      })),
    )
      .slice(5)
      .filter(line => /\.$/.test(line))

  it('say who is done first, against eager and the last, and what the quickest resume is worth', () => {
    expect(said(['slow', 1, 300], ['quick', 50, 100], ['eager', 80, 200])).toEqual([
      'quick finishes the work first: 100 ms, 2.00× sooner than eager (200 ms) and 3.00× sooner than slow (300 ms).',
      'slow lets the VM run first, after 1.00 ms, and finishes the work after 300 ms.',
    ])
  })

  it('name the best of those that resume together', () => {
    expect(said(['a', 1, 300], ['b', 1, 200], ['quick', 50, 100])).toEqual([
      'quick finishes the work first: 100 ms, 3.00× sooner than a (300 ms).',
      'b and a let the VM run first, after 1.00 ms; the best of them, b, finishes the work after 200 ms.',
    ])
  })

  it('say who resumes last when the first to be done is also the first to run', () => {
    expect(said(['eager', 90, 120], ['quick', 8, 60])).toEqual([
      'quick finishes the work first: 60.0 ms, 2.00× sooner than eager (120 ms).',
      'eager lets the VM run last, after 90.0 ms.',
    ])
  })

  it('name all that are done first together', () => {
    expect(said(['a', 8, 60], ['b', 8, 60], ['c', 8, 90])).toEqual([
      'a and b finish the work first: 60.0 ms, 1.50× sooner than c (90.0 ms).',
    ])
    expect(said(['a', 8, 60], ['b', 8, 60])).toEqual(['All finish the work at the same time: 60.0 ms.'])
  })

  it('give no ratio where three digits show none', () => {
    const [sentence] = said(['a', 0, 60], ['b', 0, 60.1])
    expect(sentence).toBe('a finishes the work first: 60.0 ms, sooner than b (60.1 ms).')
  })

  it('give no ratio to a time of nothing, and are not there for one row', () => {
    expect(said(['a', 0, 0], ['b', 0, 60])).toEqual(['a finishes the work first: 0 ns, sooner than b (60.0 ms).'])
    expect(said(['a', 1, 2])).toEqual([])
  })
})
