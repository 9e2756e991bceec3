import { parseHTML } from 'linkedom'
import { describe, expect, it } from 'vitest'
import { renderFigures } from '../../src/report/figures.ts'
import { renderHtmlReport } from '../../src/report/html.ts'
import { comparison } from './fixture.ts'

const results = await comparison()
const context = { title: 'A & B', notes: ['x < y'], command: 'lazyrestore compare "vm.mig"' }

describe('figures', () => {
  const figures = renderFigures(results)
  const documents = figures.map(({ svg }) => parseHTML(svg).document)

  it('are times, residency and latency, without a number that is none', () => {
    expect(figures.map(({ title }) => title.split(/[ :]/)[0])).toEqual(['When', 'Memory', 'Fault'])
    for (const { svg } of figures) expect(svg).not.toMatch(/NaN|undefined|Infinity/)
  })

  it('have a bar for each milestone that is reached, and say never for the others', () => {
    const reached = results
      .flatMap(({ resumeNs, workDoneNs, residentNs }) => [resumeNs, workDoneNs, residentNs])
      .filter(ns => ns !== null)
    expect(documents[0].querySelectorAll('[aria-label="bar"] rect')).toHaveLength(reached.length)
    expect(figures[0].svg.match(/all resident: never/g)).toHaveLength(results.length * 3 - reached.length)
  })

  it('have a line a policy; the latency figure only for those with faults', () => {
    expect(documents[1].querySelectorAll('[aria-label="line"] path')).toHaveLength(results.length)
    const withFaults = results.filter(({ latencyCdf }) => latencyCdf.length > 0)
    expect(documents[2].querySelectorAll('[aria-label="line"] path')).toHaveLength(withFaults.length)
    expect(documents[2].querySelectorAll('[aria-label="legend"] text')).toHaveLength(withFaults.length)
  })

  it('leave out the latency figure when nobody had a fault', async () => {
    expect(renderFigures(await comparison('eager'))).toHaveLength(2)
  })
})

describe('the HTML report', () => {
  it('holds the records, whole', () => {
    const { document } = parseHTML(renderHtmlReport(results, context))
    expect(JSON.parse(document.querySelector('#results')!.textContent!)).toEqual(JSON.parse(JSON.stringify(results)))
    expect(document.querySelectorAll('tbody tr')).toHaveLength(results.length)
    expect(document.querySelectorAll('figure svg')).toHaveLength(3)
  })

  it('fetches nothing', () => {
    expect(renderHtmlReport(results, context)).not.toMatch(/(src|href)=|@import|url\(http/)
  })

  it('escapes names that try to be markup', () => {
    const hostile = '</script><img onerror="alert(1)">'
    const html = renderHtmlReport([{ ...results[2], policy: hostile }, results[0]], { ...context, title: hostile })
    const { document } = parseHTML(html)
    expect(document.querySelectorAll('img')).toHaveLength(0)
    expect(document.querySelector('h1')!.textContent).toBe(hostile)
    expect(JSON.parse(document.querySelector('#results')!.textContent!)[0].policy).toBe(hostile)
  })
})
