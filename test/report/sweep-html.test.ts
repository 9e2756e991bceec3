/** The report of a sweep: figures for what was varied, whatever it was, in one file that fetches nothing. */
import { parseHTML } from 'linkedom'
import { describe, expect, it } from 'vitest'
import { sweepCells } from '../../src/experiment/sweep/cells.ts'
import { checkSweepSpec } from '../../src/experiment/sweep/spec.ts'
import type { SweepPoint } from '../../src/report/sweep-axes.ts'
import { renderSweepReport } from '../../src/report/sweep-html.ts'
import { simulateAll } from './simulated.ts'

const [template] = await simulateAll('lazy', 'working-set:share=5%')

/** A report of made-up times: policy a grows with its variables, b does not. */
function reportOf(value: object, failures = new Map<string, number>()) {
  const cells = sweepCells(checkSweepSpec(value, 'spec'))
  const points: SweepPoint[] = Array.from({ length: cells.count }, (_, index) => {
    const cell = cells.at(index)
    const { size = '64MiB', share = '50%' } = cell.variables
    const growing = Number.parseFloat(size) * Number.parseFloat(share) * 1e4
    return { cell, result: { ...template, workDoneNs: cell.policy === 'a' ? growing : 2e7 } }
  })
  const { variables, count } = cells
  const html = renderSweepReport({
    title: 'A <sweep>',
    notes: [],
    command: 'x',
    cells: count,
    variables,
    points,
    failures,
  })
  return { html, document: parseHTML(html).document, points }
}

const policy = ['a', 'b']
const headings = ({ document }: ReturnType<typeof reportOf>): string[] =>
  [...document.querySelectorAll('h2')].map(({ textContent }) => textContent ?? '').slice(0, -1)

describe('the report of a sweep', () => {
  const grid = { policy, size: ['16MiB', '64MiB', '256MiB'], share: ['1%', '10%', '50%'] }
  const cell = { snapshot: 'synthetic:{size}', workload: 'working-set:share={share}' }

  it('has a figure a variable, heat maps of each pair, and who is first where', () => {
    const report = reportOf({ cell, grid })
    const { html, document } = report
    expect(headings(report)).toEqual([
      'Work done against size',
      'Work done against share',
      'Work done over size and share, by policy',
      'Who is done first over size and share',
    ])
    expect(html).not.toMatch(/NaN|undefined|Infinity/)
    expect(html).not.toMatch(/<script(?! type="application\/json")|(src|href)="http|@import|url\(/)
    const [heat, winner] = [...document.querySelectorAll('svg')].slice(-2)
    expect(heat.querySelectorAll('[aria-label=cell] rect')).toHaveLength(18)
    const fills = [...winner.querySelectorAll('[aria-label=cell] rect')].map(rect => rect.getAttribute('fill'))
    expect(fills).toHaveLength(9)
    // a is first where size times share is below 2000: in all but 64 and 256 MiB at 50 %, and 256 MiB at 10 %.
    expect(new Set(fills).size).toBe(2)
    expect(fills.filter(fill => fill === fills[0])).toHaveLength(6)
  })

  it('has its data as JSON, and says what failed', () => {
    const { document, points } = reportOf({ cell, grid }, new Map([['no <memory>', 3]]))
    const data = JSON.parse(document.getElementById('results')!.textContent!)
    expect(data).toHaveLength(18)
    expect(data[1]).toMatchObject({ index: 1, policy: 'b', variables: points[1].cell.variables, workDoneNs: 2e7 })
    expect(document.querySelector('li')!.textContent).toBe('3 × no <memory>')
    expect(document.querySelector('h1')!.textContent).toBe('A <sweep>')
  })

  it('draws values that were drawn at random as dots, and bins them for heat maps', () => {
    const of = { size: { from: '16MiB', to: '256MiB' }, share: { from: '1%', to: '50%' } }
    const { html, document } = reportOf({ cell, grid: { policy }, latinHypercube: { points: 40, of } })
    expect(document.querySelectorAll('svg')[0].querySelectorAll('[aria-label=dot] circle')).toHaveLength(80)
    expect(html).toContain('≥ ')
    expect(html).not.toMatch(/NaN|undefined/)
  })

  it.each([
    ['policies only', { grid: { policy } }, 0],
    ['names only', { cell: { storage: '{storage}' }, grid: { policy, storage: ['nvme', 'sata-ssd'] } }, 1],
    ['one number', { cell: { snapshot: 'synthetic:{size}' }, grid: { policy, size: ['1MiB', '2MiB'] } }, 2],
    ['one cell', { cell: { policy: 'a' } }, 0],
  ])('stands %s', (_, value, figures) => {
    const { html, document } = reportOf(value)
    expect(document.querySelectorAll('svg')).toHaveLength(figures)
    expect(html).not.toMatch(/NaN|undefined/)
  })
})
