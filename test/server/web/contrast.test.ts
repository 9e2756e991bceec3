/** Colours of the style sheet against the grounds they stand on, by WCAG 2.2: 4.5 for text, 3 for marks in figures. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { seriesOf } from '../../../server/web/figures/series.ts'

const css = readFileSync(new URL('../../../server/web/style/tokens.css', import.meta.url), 'utf8')
const TOKENS = new Map(
  [...css.matchAll(/(--[\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)].map(([, name, light, dark]) => [
    name,
    { light, dark },
  ]),
)

/** 1.4.3: relative luminance. */
function luminance(color: string): number {
  const [red, green, blue] = [1, 3, 5]
    .map(at => Number.parseInt(color.slice(at, at + 2), 16) / 255)
    .map(value => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (high + 0.05) / (low + 0.05)
}

describe.each(['light', 'dark'] as const)('contrast, %s', theme => {
  const color = (name: string): string => TOKENS.get(name)![theme]
  const pairs = (marks: string[], grounds: string[]) => marks.flatMap(mark => grounds.map(ground => [mark, ground]))

  it('of text is enough on every ground', () => {
    const faint = [
      ...pairs(['--text', '--dim', '--accent', '--good', '--bad', '--busy'], ['--ground', '--panel', '--raised']),
      ['--bad', '--bad-ground'],
      ['--on-accent', '--accent'],
      ['--text', '--accent-ground'],
      ['--dim', '--accent-ground'],
    ].filter(([mark, ground]) => contrast(color(mark), color(ground)) < 4.5)
    expect(faint).toEqual([])
  })

  it('of lines and of pages that are there is enough on a panel', () => {
    const lines = seriesOf(Array.from({ length: 8 }, () => ({ policy: 'x' }) as never)).map(one => one.color)
    const pages = ['--page-fault', '--page-prefetch', '--work', '--resume'].map(color)
    expect([...lines, ...pages].filter(mark => contrast(mark, color('--panel')) < 3)).toEqual([])
  })
})
