import { expect, it } from 'vitest'
import { renderCsv } from '../../src/report/csv.ts'
import { records } from './fixture.ts'

/** RFC 4180. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  const cells = text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)
  let row: string[] = []
  for (const [, quoted, bare, end] of cells) {
    row.push(quoted === undefined ? bare : quoted.replaceAll('""', '"'))
    if (end === ',') continue
    rows.push(row)
    row = []
  }
  return rows
}

const results = records('eager', 'lazy')
const [header, eager, lazy] = parseCsv(renderCsv(results))
const cell = (row: string[], name: string) => row[header.indexOf(name)]

/** Every scalar field of a record by its path, and its value; lists are left out. */
function scalars(value: object, prefix = ''): [string, unknown][] {
  return Object.entries(value).flatMap(([key, inner]): [string, unknown][] => {
    if (Array.isArray(inner)) return []
    if (typeof inner === 'object' && inner !== null) return scalars(inner, `${prefix}${key}.`)
    return [[prefix + key, inner]]
  })
}

it('has every scalar field of the record, in the order of the record', () => {
  expect(header).toEqual(scalars(results[1]).map(([path]) => path))
  expect(new Set([header.length, eager.length, lazy.length]).size).toBe(1)
})

it('parses back to the values, times as whole ns', () => {
  for (const [path, value] of scalars(results[1])) {
    const expected = typeof value === 'number' && /Ns\b/.test(path) ? Math.round(value) : (value ?? '')
    expect(cell(lazy, path)).toBe(String(expected))
  }
  const [fraction] = parseCsv(renderCsv([{ ...results[1], resumeNs: 1234.56 }])).slice(1)
  expect(cell(fraction, 'resumeNs')).toBe('1235')
})

it('is empty where there is nothing', () => {
  expect(cell(eager, 'faultLatencyNs.p99')).toBe('')
  expect(cell(lazy, 'residentNs')).toBe('')
  expect(cell(lazy, 'prefetchAccuracy')).toBe('')
  expect(cell(eager, 'faults')).toBe('0')
})

it.each(['a,b', 'a "quoted" one', 'two\r\nlines', '"', ',', '\n'])('carries the name %j unharmed', name => {
  const rows = parseCsv(renderCsv([{ ...results[0], policy: name }, results[1]]))
  expect(rows).toHaveLength(3)
  expect(cell(rows[1], 'policy')).toBe(name)
  expect(cell(rows[2], 'policy')).toBe('lazy')
})

it('is its header alone when there is no restore', () => {
  expect(renderCsv([])).toBe(`${header.join(',')}\r\n`)
})
