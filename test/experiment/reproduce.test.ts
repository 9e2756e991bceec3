import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { LazyRestoreError } from '../../src/core/error.ts'
import { reproduce } from '../../src/experiment/reproduce/reproduce.ts'
import { parseTables } from '../../src/experiment/reproduce/tables.ts'
import { renderReproduction, renderReproductionMarkdown } from '../../src/report/reproduction-table.ts'

const RESTORE = {
  snapshot: 'synthetic:4MiB,zero={zero}',
  policy: 'lazy',
  workload: 'sequential:share=100%,think=1us',
  storage: 'nvme:cache=warm',
  host: 'any',
  measure: 'workDoneMs',
}

function tables(change: Record<string, unknown> = {}) {
  return {
    format: 'lazyrestore-tables',
    version: 1,
    parameters: {
      zero: { value: '0%', source: 'all pages have data' },
      rest: { fit: { row: 'mine/first', min: 0, max: 100 }, source: 'not published' },
    },
    hosts: { any: { costScale: 0.5, parameters: { cores: 4 }, source: 'half of the default' } },
    tables: [
      {
        name: 'mine',
        title: 'Mine',
        source: 'measured',
        unit: 'ms',
        rows: [
          { name: 'first', published: 60, predict: [{ fixed: '{rest}', source: 'fitted' }, RESTORE] },
          { name: 'second', published: [50, 70], predict: [{ fixed: '{rest}', source: 'fitted' }, RESTORE] },
          { name: 'alone', published: null, predict: [RESTORE], note: 'nobody knows' },
        ],
      },
    ],
    ...change,
  }
}

const run = (json: unknown) => reproduce(parseTables(json, 'x.json'), { only: [], seeds: 1 })

describe('a table is predicted', () => {
  const input = parseTables(tables(), 'x.json')
  const { rows, fitted } = run(tables())

  test('with parameters fitted on one row, which is said of that row and of the others', () => {
    const [first, second, alone] = rows
    expect(fitted).toHaveLength(1)
    expect(fitted[0].value + alone.predicted).toBeCloseTo(60, 1)
    expect(first).toMatchObject({ fittedHere: ['rest'], fittedElsewhere: [] })
    expect(Math.abs(first.error!)).toBeLessThan(0.001)
    expect(second).toMatchObject({
      inRange: true,
      fittedHere: [],
      fittedElsewhere: [{ name: 'rest', row: 'mine/first' }],
    })
    expect(alone).toMatchObject({ error: null, inRange: null, fittedElsewhere: [], note: 'nobody knows' })
  })

  test('and shown', () => {
    const text = renderReproduction(input, { rows, fitted })
    expect(text).toContain('fitted here: rest')
    expect(text).toContain('predicted; rest fitted on mine/first')
    expect(text).toContain('predicted, nothing to compare with')
    expect(text).toContain('alone: nobody knows')
    expect(renderReproductionMarkdown(input, { rows, fitted })).toContain('| first | 60 | 60 |')
  })

  test('by the same inputs to the same figures', () => {
    expect(run(tables()).rows).toEqual(rows)
  })

  test('by the host that it names: half the costs take less time', () => {
    const slow = run(tables({ hosts: { any: { costScale: 1, parameters: { cores: 4 }, source: 'the default' } } }))
    expect(slow.rows[2].predicted).toBeGreaterThan(rows[2].predicted * 1.3)
  })
})

describe('is refused with file and field:', () => {
  const stage = (change: object) => {
    const all = tables()
    const row = { name: 'one', published: 1, predict: [{ ...RESTORE, ...change }] }
    return { ...all, parameters: { zero: all.parameters.zero }, tables: [{ ...all.tables[0], rows: [row] }] }
  }
  test.each<[string, unknown]>([
    ['x.json: found a list of 0, expected an object', []],
    ['x.json: found no field format, expected text of at most 2000 characters', {}],
    ['x.json: found "other" version 1, expected "lazyrestore-tables" version 1', tables({ format: 'other' })],
    ['x.json: field tables: found a list of 0, expected a list of 1 to 1000', tables({ tables: [] })],
    [
      'x.json: tables[0].rows[0].predict[0]: field measure: found "speed", expected one of workDoneMs, resumeMs, residentMs, thousandPagesPerS, residentMbAt:100ms',
      stage({ measure: 'speed' }),
    ],
    ['x.json: mine/one: host: found "none", expected one of any', stage({ host: 'none' })],
    ['found parameter {nought}, expected one that the file has', stage({ workload: 'sequential:share={nought}' })],
    [
      'snapshot: found "/etc/passwd", expected synthetic:…, such as any host can make',
      stage({ snapshot: '/etc/passwd' }),
    ],
    [
      'lazy: found memory that is never all resident, expected it for residentMs',
      stage({ measure: 'residentMs', workload: 'uniform:accesses=1' }),
    ],
    [
      'x.json: parameters.rest.fit: found row "mine/none", expected a row, table/row, and min below max',
      tables({ parameters: { rest: { fit: { row: 'mine/none', min: 0, max: 1 }, source: '' } } }),
    ],
    [
      'parameter rest: found a row that does not depend on it at mine/first, expected a published row that has {rest}',
      tables({
        parameters: { ...tables().parameters, other: { value: 1, source: '' } },
        tables: [
          {
            ...tables().tables[0],
            rows: [
              { name: 'first', published: 60, predict: [RESTORE] },
              { name: 'second', published: 60, predict: [{ fixed: '{rest}', source: '' }] },
            ],
          },
        ],
      }),
    ],
  ])('%s', (message, json) => {
    expect(() => run(json)).toThrow(LazyRestoreError)
    expect(() => run(json)).toThrow(message)
  })
})

test('the tables that come with the package are well formed, and every figure has a source', () => {
  const file = new URL('../../data/published-tables.json', import.meta.url)
  const input = parseTables(JSON.parse(readFileSync(file, 'utf8')), 'published-tables.json')
  expect(input.tables.map(({ name }) => name)).toEqual([
    'reap-fig7',
    'reap-fig8',
    'overdrive-rss',
    'overdrive-ready',
    'gsoc',
    'mitos',
    'vcpu-curve',
  ])
  for (const { source } of [...input.tables, ...Object.values(input.hosts), ...Object.values(input.parameters)]) {
    expect(source.length).toBeGreaterThan(15)
  }
  // REAP's WS file and REAP bars hang on no mapping.
  const { rows } = reproduce(input, { only: ['reap-fig7'], seeds: 1 })
  for (const name of ['ws-file', 'reap']) {
    const { error, fittedHere, fittedElsewhere } = rows.find(({ row }) => row === name)!
    expect(Math.abs(error!)).toBeLessThan(0.2)
    expect([...fittedHere, ...fittedElsewhere]).toEqual([])
  }
})
