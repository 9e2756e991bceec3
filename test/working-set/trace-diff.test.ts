import { expect, test } from 'vitest'
import { diffFigure, traceFigures } from '../../src/report/trace-figures.ts'
import { diffTraces } from '../../src/working-set/trace-diff.ts'
import { memoryOfSize } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'
import { traceStats } from '../../src/workload/trace-stats.ts'
import { refusal, traceOf } from '../workload/support.ts'

test('runs worked by hand', () => {
  const diff = diffTraces([
    { name: 'a', trace: traceOf(1, 2, 3, 4) },
    { name: 'b', trace: traceOf(3, 2, 1, 9) },
    { name: 'c', trace: traceOf(1, 2, 3) },
  ])
  expect(diff).toMatchObject({ inAll: 3, inAny: 5 })
  expect(diff.runs[0]).toMatchObject({
    a: 'a',
    b: 'b',
    both: 3,
    jaccard: 0.6,
    recall: 0.75,
    precision: 0.75,
    orderCorrelation: -1,
  })
  expect(diff.runs[1]).toMatchObject({ both: 3, recall: 1, precision: 0.75, orderCorrelation: 1 })
  expect(diff.runs[1].prefixes).toEqual([
    { listed: 1, recall: 1 / 3, precision: 1 },
    { listed: 2, recall: 2 / 3, precision: 1 },
    { listed: 3, recall: 1, precision: 1 },
    { listed: 4, recall: 1, precision: 0.75 },
  ])
})

test('traces that have nothing, or of other memories', async () => {
  const [empty] = diffTraces([
    { name: 'a', trace: traceOf() },
    { name: 'b', trace: traceOf() },
  ]).runs
  expect(empty).toMatchObject({ jaccard: null, recall: null, precision: null, orderCorrelation: null, prefixes: [] })
  const other = { ...traceOf(1), pageCount: 65 }
  expect(
    await refusal(() =>
      diffTraces([
        { name: 'a', trace: traceOf(1) },
        { name: 'b', trace: other },
      ]),
    ),
  ).toBe('mismatch: b: pageCount: found 65, expected 64, as a')
})

test('figures show what there is', () => {
  const memory = memoryOfSize(4096, 4096)
  const stats = traceStats(createWorkload('zipf:accesses=5000', memory, 1))
  expect(traceFigures(stats).map(({ name }) => name)).toEqual(['first-touches', 'runs', 'reuse', 'ranks'])
  const once = traceStats(createWorkload('sequential', memory, 1))
  expect(traceFigures(once).map(({ name }) => name)).toEqual(['first-touches', 'runs'])
  expect(traceFigures(traceStats(traceOf()))).toEqual([])
  const figure = diffFigure(
    diffTraces([
      { name: 'a', trace: traceOf(1, 2, 3) },
      { name: 'x/y.lrtrace', trace: traceOf(1, 2) },
    ]),
  )!
  expect(figure.svg).toContain('y.lrtrace')
  for (const { svg } of [figure, ...traceFigures(stats)]) {
    expect(svg).toMatch(/^<svg/)
    expect(svg).not.toContain('NaN')
  }
})
