/** How the pages with data of a snapshot lie: in runs of what lengths, and where the largest holes between them are. */
import { nextClearBit, nextSetBit } from '../core/bitmap.ts'
import type { RamBlock } from './snapshot.ts'

/** Lengths of maximal runs, in target pages. Runs end at a block's end. */
export interface RunLengths {
  readonly count: number
  readonly pages: number
  /** 0 without runs. */
  readonly mean: number
  readonly median: number
  readonly largest: number
}

/** Consecutive pages without data. */
export interface Hole {
  readonly block: string
  /** Bytes into the block. */
  readonly offset: number
  readonly length: number
}

export interface RunFacts {
  readonly data: RunLengths
  readonly zero: RunLengths
  /** The largest first; the first in memory first among equal ones. */
  readonly largestHoles: readonly Hole[]
}

/** @param mostHoles how many holes are listed */
export function runFacts(blocks: readonly RamBlock[], mostHoles = 5): RunFacts {
  const data = new LengthCounts()
  const zero = new LengthCounts()
  let holes: Hole[] = []
  for (const { name, bitmap, pageCount, pageSize, ignored } of blocks) {
    if (ignored) continue
    for (let page = 0; page < pageCount; ) {
      const start = nextSetBit(bitmap, page, pageCount)
      if (start > page) {
        zero.add(start - page)
        const length = (start - page) * pageSize
        const smallest = holes.at(-1)
        if (holes.length < mostHoles || (smallest !== undefined && length > smallest.length)) {
          holes.push({ block: name, offset: page * pageSize, length })
          holes = holes.sort((a, b) => b.length - a.length).slice(0, mostHoles)
        }
      }
      page = nextClearBit(bitmap, start, pageCount)
      if (page > start) data.add(page - start)
    }
  }
  return { data: data.lengths(), zero: zero.lengths(), largestHoles: holes }
}

/** How often each length occurs; there are few different ones, however many runs there are. */
class LengthCounts {
  readonly #counts = new Map<number, number>()

  add(length: number): void {
    this.#counts.set(length, (this.#counts.get(length) ?? 0) + 1)
  }

  lengths(): RunLengths {
    const sorted = [...this.#counts].sort(([a], [b]) => a - b)
    const count = sorted.reduce((sum, [, times]) => sum + times, 0)
    const pages = sorted.reduce((sum, [length, times]) => sum + length * times, 0)
    let seen = 0
    const median = sorted.find(([, times]) => {
      seen += times
      return seen * 2 >= count
    })
    return {
      count,
      pages,
      mean: count === 0 ? 0 : pages / count,
      median: median?.[0] ?? 0,
      largest: sorted.at(-1)?.[0] ?? 0,
    }
  }
}
