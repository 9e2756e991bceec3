/**
 * The destination's memory as the naive simulator sees it: a list of blocks, a boolean for each target page, and loops.
 * Page numbers are dense over all blocks, in their order.
 */
import type { Layout } from '../../../src/destination/layout.ts'

export interface NaiveBlock {
  readonly kind: 'anon' | 'shmem' | 'hugetlb'
  readonly hostPageSize: number
  readonly pageSize: number
  /** One entry a target page: its bit is set. */
  readonly hasData: readonly boolean[]
  readonly firstHostPage: number
  readonly hostPages: number
  readonly firstTargetPage: number
  /** Where its pages begin in the file. */
  readonly pagesOffset: number
}

/** Takes the blocks' sizes, kinds and bitmaps out of a layout, and nothing that the layout worked out of them. */
export function naiveBlocks(layout: Layout): NaiveBlock[] {
  const blocks: NaiveBlock[] = []
  let firstHostPage = 0
  let firstTargetPage = 0
  for (const { block, kind, hostPageSize } of layout.blocks) {
    const hasData: boolean[] = []
    for (let page = 0; page < block.usedLength / block.pageSize; page++) {
      hasData.push((block.bitmap[Math.floor(page / 32)] & (1 << (page % 32))) !== 0)
    }
    const hostPages = Math.ceil(block.usedLength / hostPageSize)
    const { pageSize, pagesOffset } = block
    blocks.push({ kind, hostPageSize, pageSize, hasData, firstHostPage, hostPages, firstTargetPage, pagesOffset })
    firstHostPage += hostPages
    firstTargetPage += hasData.length
  }
  return blocks
}

export function hostPageCount(blocks: readonly NaiveBlock[]): number {
  return blocks.reduce((sum, { hostPages }) => sum + hostPages, 0)
}

export function blockOf(blocks: readonly NaiveBlock[], hostPage: number): NaiveBlock {
  return blocks.find(({ firstHostPage, hostPages }) => hostPage < firstHostPage + hostPages)!
}

/** The target pages under a host page, counted within the block; fewer at a tail. */
export function targetPagesUnder(block: NaiveBlock, hostPage: number): number[] {
  const perHostPage = block.hostPageSize / block.pageSize
  const start = (hostPage - block.firstHostPage) * perHostPage
  const pages: number[] = []
  for (let page = start; page < start + perHostPage && page < block.hasData.length; page++) pages.push(page)
  return pages
}

export function bytesUnder(block: NaiveBlock, hostPage: number): number {
  return targetPagesUnder(block, hostPage).length * block.pageSize
}

export function isZero(block: NaiveBlock, hostPage: number): boolean {
  return targetPagesUnder(block, hostPage).every(page => !block.hasData[page])
}

/** 0 COPY, 1 ZEROPAGE, 2 COPY of zeros: the kernel knows no ZEROPAGE on hugetlb. */
export function operationOn(block: NaiveBlock, hostPage: number): 0 | 1 | 2 {
  if (!isZero(block, hostPage)) return 0
  return block.kind === 'hugetlb' ? 2 : 1
}
