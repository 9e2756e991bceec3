/** Maps of memory: what a cell shows is what its pages hold. */
import { writeFile } from 'node:fs/promises'
import { parseHTML } from 'linkedom'
import { describe, expect, test } from 'vitest'
import { densityStrip, memoryMap } from '../../src/report/memory-map.ts'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import { PAGE, pageOf, sparseFile, temporaryFolder } from '../snapshot/formats/support.ts'

const path = temporaryFolder('map')
const pages = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => [(from + i) * PAGE, pageOf(1)] as const)

describe('a strip', () => {
  test.each([
    ['one page a cell', 5, '██···', [0, 1]],
    ['quarters', 16, '░▒▓█', [0, 4, 5, 8, 9, 10, 12, 13, 14, 15]],
    ['cells that differ in size', 10, '█▒·▒', [0, 1, 2, 8]],
  ])('of %s', async (_, count, expected, data) => {
    const file = await sparseFile(
      path('strip.raw'),
      count * PAGE,
      data.flatMap(page => pages(page, 1)),
    )
    const snapshot = await openSnapshot(file)
    expect(densityStrip(snapshot.blocks[0], Math.min(count, expected.length))).toBe(expected)
    await snapshot.close()
  })
})

/** Sum of the widths of a picture's rectangles by colour, in cells of 12. */
function cellsByColor(svg: string): Map<string, number> {
  const { document } = parseHTML(svg)
  const cells = new Map<string, number>()
  for (const rect of document.querySelectorAll('rect')) {
    const color = rect.getAttribute('fill')!
    const width = Number(rect.getAttribute('width')) / 12
    if (rect.getAttribute('height') === '12') cells.set(color, (cells.get(color) ?? 0) + width)
  }
  return cells
}

describe('a picture', () => {
  test('has as many cells of each shade as there are', async () => {
    const file = await sparseFile(path('a<b.raw'), 1024 * PAGE, [...pages(0, 300), ...pages(1000, 1)])
    const snapshot = await openSnapshot(file)
    const svg = memoryMap(snapshot)
    expect(svg).toContain('a&lt;b.raw: data')
    expect(Object.fromEntries(cellsByColor(svg))).toEqual({ '#eceff3': 1024 - 301, '#14477d': 301 })
    await snapshot.close()
  })

  test('of layers has a second map by age', async () => {
    await sparseFile(path('base.raw'), 256 * PAGE, pages(0, 64))
    await sparseFile(path('one'), 256 * PAGE, pages(32, 10))
    await sparseFile(path('two'), 256 * PAGE, pages(200, 6))
    await writeFile(path('list'), 'lazyrestore layers 1\nbase.raw\none\ntwo\n')
    const snapshot = await openSnapshot(path('list'))
    const cells = cellsByColor(memoryMap(snapshot))
    expect(Object.fromEntries(cells)).toEqual({
      '#eceff3': 2 * 186,
      '#14477d': 70,
      'hsl(215 10% 62%)': 54,
      'hsl(108 45% 57%)': 10,
      'hsl(0 80% 52%)': 6,
    })
    await snapshot.close()
  })
})
