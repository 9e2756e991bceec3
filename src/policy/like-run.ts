/** The pages around a fault that one read and one install call bring along. */
import { testBit } from '../core/bitmap.ts'
import { blockOfHostPage, type Layout } from '../destination/layout.ts'

/**
 * The run around host page `page` inside its aligned window of `pages` host pages, outward as long as the content is of its
 * kind (data or zero), in one block: `first` is its first page, `end` one past its last.
 */
export function likeRun(layout: Layout, page: number, pages: number): { first: number; end: number } {
  const { hasData } = layout
  const { firstHostPage, endHostPage } = blockOfHostPage(layout, page)
  const start = page - ((page - firstHostPage) % pages)
  const past = Math.min(start + pages, endHostPage)
  const isData = testBit(hasData, page)
  let first = page
  let end = page + 1
  while (first > start && testBit(hasData, first - 1) === isData) first--
  while (end < past && testBit(hasData, end) === isData) end++
  return { first, end }
}
