import { parseHTML } from 'linkedom'
import { describe, expect, it } from 'vitest'
import { renderHtmlReport } from '../../src/report/html.ts'
import { records } from './fixture.ts'

const results = records()
const context = { title: 'A & B', notes: ['x < y'], command: 'lazyrestore compare "vm.mig"' }
const report = renderHtmlReport(results, context)
const { document } = parseHTML(report)

describe('the HTML report', () => {
  it('holds the records, whole', () => {
    expect(JSON.parse(document.querySelector('#results')!.textContent!)).toEqual(results)
  })

  it('has a row a policy, the three figures, the notes and the command', () => {
    expect([...document.querySelectorAll('tbody th')].map(cell => cell.textContent)).toEqual(
      results.map(({ policy }) => policy),
    )
    expect(document.querySelectorAll('figure svg')).toHaveLength(3)
    expect([...document.querySelectorAll('p')].map(({ textContent }) => textContent)).toContain('x < y')
    expect(document.querySelector('pre')!.textContent).toBe(context.command)
  })

  it('keeps an option in one piece, and its text as it is', () => {
    const page = parseHTML(renderHtmlReport(results, { ...context, notes: ['--profile and --no-cores take others.'] }))
    const words = [...page.document.querySelectorAll('.word')].map(({ textContent }) => textContent)
    expect(words).toEqual(['--profile', '--no-cores'])
    expect([...page.document.querySelectorAll('p')].map(({ textContent }) => textContent)).toContain(
      '--profile and --no-cores take others.',
    )
  })

  it('explains every column', () => {
    const terms = [...document.querySelectorAll('dt')].map(({ textContent }) => textContent)
    const titles = [...document.querySelectorAll('thead th')].slice(1).map(({ textContent }) => textContent)
    expect(titles).toContain('work done')
    expect(terms).toEqual(expect.arrayContaining(titles))
  })

  it('marks the best of a column', () => {
    const best = [...document.querySelectorAll('td.best')].map(({ textContent }) => textContent)
    expect(best).toContain('80.6 ms')
    expect(best).not.toContain('never')
    expect(parseHTML(renderHtmlReport(records('lazy'), context)).document.querySelectorAll('td.best')).toHaveLength(0)
  })

  it('fetches nothing and runs nothing', () => {
    expect(report).not.toMatch(/(src|href)=|@import|url\(/)
    const scripts = [...document.querySelectorAll('script')].map(script => script.getAttribute('type'))
    expect(scripts).toEqual(['application/json'])
  })

  it('follows the reader to dark and to small screens', () => {
    expect(report).toContain('@media (prefers-color-scheme: dark)')
    expect(report).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">')
    expect(document.querySelector('table')!.parentElement!.className).toBe('wide')
  })

  it.each(['</script><img onerror="alert(1)">', '<!--<script>', '&lt;b&gt;', '"><svg onload=alert(1)>', "it's ]]>"])(
    'shows %j as the text it is, wherever it stands',
    hostile => {
      const [first, second] = records('lazy', 'eager')
      const workload = { ...first.workload, name: hostile }
      const rows = [{ ...first, policy: hostile, storage: hostile, layout: hostile, workload }, second]
      const page = renderHtmlReport(rows, { title: hostile, notes: [hostile], command: hostile })
      const parsed = parseHTML(page).document
      expect(parsed.querySelectorAll('img, [onload], [onerror]')).toHaveLength(0)
      expect(parsed.querySelectorAll('script')).toHaveLength(1)
      expect(parsed.querySelectorAll('svg')).toHaveLength(3)
      expect(parsed.querySelector('h1')!.textContent).toBe(hostile)
      expect(parsed.querySelector('pre')!.textContent).toBe(hostile)
      expect(parsed.querySelector('tbody th')!.textContent).toBe(hostile)
      expect(JSON.parse(parsed.querySelector('#results')!.textContent!)).toEqual(rows)
    },
  )

  it('is a page even without a restore', () => {
    const empty = parseHTML(renderHtmlReport([], context)).document
    expect(empty.body.textContent).toContain('No restore to show.')
    expect(JSON.parse(empty.querySelector('#results')!.textContent!)).toEqual([])
  })
})
