import { expect, it } from 'vitest'
import { renderCsv } from '../../src/report/csv.ts'
import { comparison } from './fixture.ts'

/** RFC 4180. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  const cells = text.matchAll(/(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r\n)/g)
  let row: string[] = []
  for (const [, quoted, bare, end] of cells) {
    row.push(quoted === undefined ? bare : quoted.replaceAll('""', '"'))
    if (end === ',') continue
    rows.push(row)
    row = []
  }
  return rows
}

it('has a row a restore with raw numbers, and nothing where there is none', async () => {
  const results = await comparison('eager,lazy')
  const [header, eager, lazy] = parseCsv(renderCsv(results)).map(row => row)
  const cell = (row: string[], name: string) => row[header.indexOf(name)]
  expect(cell(eager, 'workDoneNs')).toBe(String(results[0].workDoneNs))
  expect(cell(eager, 'faultLatencyNs.p99')).toBe('')
  expect(cell(lazy, 'faultLatencyNs.p99')).toBe(String(results[1].faultLatencyNs!.p99))
  expect(cell(lazy, 'residentNs')).toBe('')
  expect(new Set([header.length, eager.length, lazy.length]).size).toBe(1)
})

it('quotes what needs it', async () => {
  const [result] = await comparison('lazy')
  const name = 'a "quoted", two\r\nline name'
  const [header, row] = parseCsv(renderCsv([{ ...result, policy: name }]))
  expect(row[header.indexOf('policy')]).toBe(name)
})
