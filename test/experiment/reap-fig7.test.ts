/** REAP's Fig. 7 from its inputs: each bar within ±20 %. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { reproduce } from '../../src/experiment/reproduce/reproduce.ts'
import { parseTables } from '../../src/experiment/reproduce/tables.ts'

const tables = new URL('../../data/published-tables.json', import.meta.url)

test('each bar of Fig. 7 is predicted within ±20 %, none from its own figure', () => {
  const input = parseTables(JSON.parse(readFileSync(tables, 'utf8')), 'published-tables.json')
  const { rows } = reproduce(input, { only: ['reap-fig7'], seeds: 3 })
  for (const name of ['vanilla', 'parallel-faults', 'ws-file', 'reap']) {
    const row = rows.find(one => one.row === name)!
    expect(row.fittedHere, name).toEqual([])
    expect(Math.abs(row.error!), name).toBeLessThan(0.2)
  }
})
