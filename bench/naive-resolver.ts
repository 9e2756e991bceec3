/**
 * The resolver as one would write it first: an object for each target page, an array of runs for each answer. The yardstick
 * of src/resolver, and for one round its check.
 */
import type { LayoutBlock } from '../src/destination/layout.ts'

interface NaivePage {
  /** Null: the page is zero. */
  readonly fileOffset: number | null
}

export interface NaiveRun {
  readonly fileOffset: number
  readonly bufferOffset: number
  length: number
}

export interface NaiveAnswer {
  readonly op: 'copy' | 'zeropage' | 'zero-copy'
  readonly runs: readonly NaiveRun[]
}

export class NaiveResolver {
  readonly #block: LayoutBlock
  readonly #pages: readonly NaivePage[]

  constructor(layoutBlock: LayoutBlock) {
    const { block } = layoutBlock
    this.#block = layoutBlock
    this.#pages = Array.from({ length: block.pageCount }, (_, page) => {
      const present = (block.bitmap[Math.floor(page / 32)] & (1 << (page % 32))) !== 0
      return { fileOffset: present ? block.pagesOffset + page * block.pageSize : null }
    })
  }

  resolve(hostPage: number): NaiveAnswer {
    const { block, kind, hostPageSize } = this.#block
    const count = hostPageSize / block.pageSize
    const runs: NaiveRun[] = []
    for (const [index, { fileOffset }] of this.#pages.slice(hostPage * count, (hostPage + 1) * count).entries()) {
      if (fileOffset === null) continue
      const last = runs.at(-1)
      if (last !== undefined && last.fileOffset + last.length === fileOffset) last.length += block.pageSize
      else runs.push({ fileOffset, bufferOffset: index * block.pageSize, length: block.pageSize })
    }
    if (runs.length > 0) return { op: 'copy', runs }
    return { op: kind === 'hugetlb' ? 'zero-copy' : 'zeropage', runs }
  }
}
