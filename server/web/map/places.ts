/** Where in memory a cell of the map lies. */
import type { MemoryMap } from 'lazyrestore/client'

export interface CellPlace {
  readonly firstPage: number
  readonly endPage: number
  /** Block and offset of its first page: `pc.ram + 0x1f000`. */
  readonly address: string
}

export function placeOfCell(
  { from, count, pagesPerCell, blocks }: Pick<MemoryMap, 'from' | 'count' | 'pagesPerCell' | 'blocks'>,
  cell: number,
  runsPerCell: number,
): CellPlace {
  const pages = runsPerCell * pagesPerCell
  const firstPage = from + cell * pages
  const endPage = Math.min(from + count, firstPage + pages)
  const block = blocks.find(({ firstHostPage, endHostPage }) => firstPage >= firstHostPage && firstPage < endHostPage)
  if (block === undefined) return { firstPage, endPage, address: '' }
  const offset = (firstPage - block.firstHostPage) * block.hostPageSize
  return { firstPage, endPage, address: `${block.name} + 0x${offset.toString(16)}` }
}
