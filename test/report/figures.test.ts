import { parseHTML } from 'linkedom'
import { describe, expect, it } from 'vitest'
import type { RestoreResult } from '../../src/engine/result.ts'
import { type Figure, renderFigures, standaloneSvg } from '../../src/report/figures.ts'
import { breakLabel } from '../../src/report/series.ts'
import { records } from './fixture.ts'

const HOSTILE = 'a<b>&"\u0001</svg><script>'
const results = records()
const long = [...results, ...results.map(result => ({ ...result, policy: `${result.policy}:rate=200MiB,handlers=16` }))]
const cases: readonly (readonly [string, readonly RestoreResult[]])[] = [
  ['eight policies', results],
  ['two policies', records('eager', 'working-set')],
  ['one policy', records('lazy')],
  ['sixteen with long names', long],
  ['a hostile name', [{ ...results[2], policy: HOSTILE }, results[0]]],
  ['a name of 300 characters', [{ ...results[2], policy: 'x'.repeat(300) }, results[0]]],
  ['work that takes from 80 ms to a minute', [...results, { ...results[2], policy: 'slow', workDoneNs: 60e9 }]],
  ['a single fault', [{ ...results[2], latencyCdf: [[131_000, 1]] }, results[0]]],
  ['no accesses', [{ ...results[0], resumeNs: 0, workDoneNs: 0, residentNs: 0, residency: [{ timeNs: 0, bytes: 0 }] }]],
]
const figureOf = (rows: readonly RestoreResult[], name: string): Figure =>
  renderFigures(rows).find(figure => figure.name === name)!
const documentOf = (rows: readonly RestoreResult[], name: string) => parseHTML(figureOf(rows, name).svg).document

/** Every tag closed by its own, quotes and ampersands as XML wants them: what a strict parser asks of such a file. */
function expectWellFormed(svg: string): void {
  const open: string[] = []
  let rest = svg.trim()
  while (rest !== '') {
    const match =
      /^(?:[^<&]|&(?:[a-z]+|#\d+|#x[\da-f]+);)+|^<\/([\w:-]+)>|^<([\w:-]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/i.exec(
        rest,
      )
    expect(match, `at ${rest.slice(0, 80)}`).not.toBeNull()
    const [text, closed, opened, attributes, alone] = match!
    if (closed !== undefined) expect(closed).toBe(open.pop())
    if (opened !== undefined) {
      const names = [...attributes.matchAll(/([\w:-]+)=/g)].map(([, name]) => name)
      expect(new Set(names).size).toBe(names.length)
      if (alone === '') open.push(opened)
    }
    rest = rest.slice(text.length)
  }
  expect(open).toEqual([])
}

describe.each(cases)('figures of %s', (_, rows) => {
  it('are well-formed, of finite numbers, and the same each time', () => {
    const figures = renderFigures(rows)
    for (const figure of figures) {
      expectWellFormed(standaloneSvg(figure))
      expect(figure.svg).not.toMatch(/NaN|undefined|Infinity|width="-|height="-/)
    }
    expect(renderFigures(rows)).toEqual(figures)
  })
})

describe('figures', () => {
  it('are times, residency and latency', () => {
    expect(renderFigures(results).map(({ name }) => name)).toEqual(['times', 'residency', 'latency'])
  })

  it('are none without records, and no latency figure where nobody had a fault', () => {
    expect(renderFigures([])).toEqual([])
    expect(renderFigures(records('eager', 'eager-multi')).map(({ name }) => name)).toEqual(['times', 'residency'])
  })

  it('give a policy one colour in all of them', () => {
    const legend = (name: string) =>
      [...documentOf(results, name).querySelectorAll('[aria-label="legend"] line')].map(key =>
        key.getAttribute('stroke'),
      )
    const bars = [...documentOf(results, 'times').querySelectorAll('[aria-label="bar"] rect')]
    expect(new Set(legend('residency')).size).toBe(results.length)
    expect(legend('residency').slice(2)).toEqual(legend('latency'))
    expect(new Set(bars.map(bar => bar.getAttribute('fill')))).toEqual(new Set(legend('residency')))
  })

  it('tell policies apart by dashes when colours have come round', () => {
    const keys = [...documentOf(long, 'residency').querySelectorAll('[aria-label="legend"] line')]
    const looks = keys.map(key => `${key.getAttribute('stroke')} ${key.getAttribute('stroke-dasharray')}`)
    expect(new Set(looks).size).toBe(16)
  })

  it('stand on white when they are files of their own', () => {
    for (const figure of renderFigures(results)) {
      expect(figure.svg).toContain('currentColor')
      expect(standaloneSvg(figure)).toMatch(/^<svg [^>]*background:white;color:#1a1a1a/)
    }
  })
})

describe('the times figure', () => {
  const { document } = parseHTML(figureOf(results, 'times').svg)
  const texts = [...document.querySelectorAll('[aria-label="text"] text')].map(text => text.textContent)

  it('has a bar for each milestone that is reached, and an open line that says never for the others', () => {
    expect(document.querySelectorAll('[aria-label="bar"] rect')).toHaveLength(21)
    expect(document.querySelectorAll('[aria-label="link"] path')).toHaveLength(3)
    expect(texts.filter(text => text === 'fully resident never')).toHaveLength(3)
  })

  it('is sorted by work done', () => {
    const done = texts.filter(text => text!.startsWith('work done'))
    expect(done.map(text => text!.slice(10))).toEqual([
      '80.6 ms',
      '211 ms',
      '442 ms',
      '479 ms',
      '542 ms',
      '566 ms',
      '569 ms',
      '963 ms',
    ])
  })

  it('has bars as long as their times', () => {
    const widths = [...document.querySelectorAll('[aria-label="bar"] rect')].map(bar =>
      Number(bar.getAttribute('width')),
    )
    const times = results.flatMap(({ resumeNs, workDoneNs, residentNs }) => [resumeNs, workDoneNs, residentNs ?? 0])
    const scale = Math.max(...widths) / Math.max(...times)
    const expected = times.filter(time => time > 0).map(time => time * scale)
    for (const [i, width] of widths.toSorted((a, b) => a - b).entries()) {
      expect(width).toBeCloseTo(expected.toSorted((a, b) => a - b)[i], 1)
    }
  })
})

describe('the residency and latency figures', () => {
  it('have a line for each policy with something to show, a name in the legend, and a dot', () => {
    for (const [name, count] of [
      ['residency', 8],
      ['latency', 6],
    ] as const) {
      const document = documentOf(results, name)
      expect(document.querySelectorAll('[aria-label="line"] path')).toHaveLength(count)
      expect(document.querySelectorAll('[aria-label="legend"] text')).toHaveLength(count)
      expect(document.querySelectorAll('[aria-label="dot"] circle')).toHaveLength(count)
    }
  })

  it('lead the line of residency to the dot, also when the work goes on after the last page', () => {
    const document = documentOf(records('eager'), 'residency')
    const [x, y] = document.querySelector('[aria-label="line"] path')!.getAttribute('d')!.split('L').at(-1)!.split(',')
    const dot = document.querySelector('[aria-label="dot"] circle')!
    expect(Number(x)).toBeCloseTo(Number(dot.getAttribute('cx')), 1)
    expect(Number(y)).toBeCloseTo(Number(dot.getAttribute('cy')), 1)
  })

  it('use a logarithmic time for residency only when a linear one would hide the early policies', () => {
    expect(figureOf(results, 'residency').caption).not.toContain('logarithmic')
    const slow = { ...results[2], policy: 'slow', workDoneNs: 60e9 }
    expect(figureOf([...results, slow], 'residency').caption).toContain('Time is logarithmic.')
  })

  it('write a text at every tick of time', () => {
    const slow = { ...results[2], policy: 'slow', workDoneNs: 60e9 }
    for (const [rows, name] of [
      [[...results, slow], 'residency'],
      [results, 'latency'],
    ] as const) {
      const labels = [...documentOf(rows, name).querySelectorAll('[aria-label="x-axis tick label"] text')]
      const ticks = documentOf(rows, name).querySelectorAll('[aria-label="x-axis tick"] path')
      expect(labels.length).toBeGreaterThan(3)
      expect(labels).toHaveLength(ticks.length)
      for (const label of labels) expect(label.textContent).toMatch(/^[125]0{0,2} (ns|µs|ms|s)$/)
    }
  })

  it.each([
    [
      [125_000, 179_000],
      ['120 µs', '140 µs', '160 µs', '180 µs'],
    ],
    [[131_000], ['120 µs', '125 µs', '130 µs', '135 µs', '140 µs']],
    [
      [101_000, 950_000],
      ['100 µs', '200 µs', '500 µs', '1 ms'],
    ],
  ])('mark time also where all faults took about as long: %j', (latencies, expected) => {
    const rows = latencies.map(ns => ({ ...results[2], policy: `${ns}`, latencyCdf: [[ns, 1] as const] }))
    const labels = [...documentOf(rows, 'latency').querySelectorAll('[aria-label="x-axis tick label"] text')]
    expect(labels.map(({ textContent }) => textContent)).toEqual(expected)
  })
})

describe('a label', () => {
  it('is broken behind its options, never longer than the limit, and loses nothing', () => {
    expect(breakLabel('lazy-sweep:rate=200MiB,handlers=4', 24)).toEqual(['lazy-sweep:rate=200MiB,', 'handlers=4'])
    for (const label of ['', 'lazy', 'x'.repeat(100), 'a:b,c/d', ',,,', `working-set:file=/var/${'y'.repeat(60)}/ws`]) {
      const lines = breakLabel(label, 24)
      expect(lines.join('')).toBe(label)
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(24)
    }
  })
})
