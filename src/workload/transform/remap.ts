/** A trace of one memory on another: another snapshot, another size, another page size. */
import { countBits, nextClearBit, nextSetBit, testBit } from '../../core/bitmap.ts'
import { LazyRestoreError } from '../../core/error.ts'
import { isPageSize, type WorkloadMemory } from '../memory.ts'
import { MAX_PAGES, type Workload } from '../workload.ts'

/**
 * The same accesses by pages of another size. A larger page stands for all in it; of a larger one in the trace, the first
 * smaller one is accessed. No snapshot's identity remains, since a snapshot has the page size that it has.
 * @throws LazyRestoreError `usage`, or `limit` for more pages than there can be
 */
export function withPageSize(workload: Workload, pageSize: number): Workload {
  if (!isPageSize(pageSize)) {
    throw new LazyRestoreError('usage', `page size: found ${pageSize}, expected a power of two from 512 to 2^30`)
  }
  if (pageSize === workload.pageSize) return workload
  const ratio = workload.pageSize / pageSize
  const pageCount = Math.ceil(workload.pageCount * ratio)
  if (pageCount > MAX_PAGES) {
    throw new LazyRestoreError(
      'limit',
      `${workload.name}: found ${pageCount} pages of ${pageSize} bytes, expected at most ${MAX_PAGES}`,
    )
  }
  const page = workload.page.map(one => Math.floor(one * ratio))
  const name = `${workload.name}, on pages of ${pageSize} bytes`
  return { ...workload, name, snapshotIdentity: null, pageCount, pageSize, page }
}

/**
 * The same place in the other memory: page p goes to the same share of its length. With `from`, the memory that the trace is
 * of, pages with data go to pages with data and zero pages to zero pages, by the same share of each sort; where the other
 * memory has none of a sort, by the share of its length.
 * @throws LazyRestoreError `mismatch` for another page size: use `withPageSize` first
 */
export function remapTo(workload: Workload, to: WorkloadMemory, from: WorkloadMemory | null = null): Workload {
  if (workload.pageSize !== to.pageSize) {
    throw new LazyRestoreError(
      'mismatch',
      `${workload.name}: found pages of ${workload.pageSize} bytes, expected ${to.pageSize}, as the other memory`,
    )
  }
  if (from !== null && from.pageCount !== workload.pageCount) {
    throw new LazyRestoreError(
      'mismatch',
      `${workload.name}: found ${workload.pageCount} pages, expected ${from.pageCount}, as the memory that it is of`,
    )
  }
  const place = from?.present && to.present ? bySort(from, to) : byShare(workload.pageCount, to.pageCount)
  const { pageCount, snapshotIdentity } = to
  const name = `${workload.name}, on another memory`
  return { ...workload, name, pageCount, snapshotIdentity, page: workload.page.map(place) }
}

function byShare(from: number, to: number): (page: number) => number {
  return from === to ? page => page : page => Math.floor((page / from) * to)
}

function bySort(from: WorkloadMemory, to: WorkloadMemory): (page: number) => number {
  const source = new Ranks(from)
  const target = new Ranks(to)
  const share = byShare(from.pageCount, to.pageCount)
  return page => {
    const data = testBit(from.present!, page)
    const [there, here] = data ? [target.data, source.data] : [target.zero, source.zero]
    if (there === 0) return share(page)
    return target.pageOf(byShare(here, there)(source.rankOf(page, data)), data)
  }
}

/** Pages of one sort numbered in order of address; counts are kept for blocks of pages. */
class Ranks {
  static readonly #BLOCK = 4096
  readonly data: number
  readonly zero: number
  readonly #memory: WorkloadMemory
  /** Pages with data before each block. */
  readonly #before: Uint32Array

  constructor(memory: WorkloadMemory) {
    const { pageCount } = memory
    this.#memory = memory
    this.#before = new Uint32Array(Math.ceil(pageCount / Ranks.#BLOCK) + 1)
    for (let block = 0; block + 1 < this.#before.length; block++) {
      const first = block * Ranks.#BLOCK
      const pages = Math.min(Ranks.#BLOCK, pageCount - first)
      this.#before[block + 1] = this.#before[block] + countBits(memory.present!, first, pages)
    }
    this.data = this.#before[this.#before.length - 1]
    this.zero = pageCount - this.data
  }

  rankOf(page: number, data: boolean): number {
    const block = Math.floor(page / Ranks.#BLOCK)
    const first = block * Ranks.#BLOCK
    const before = this.#before[block] + countBits(this.#memory.present!, first, page - first)
    return data ? before : page - before
  }

  pageOf(rank: number, data: boolean): number {
    const { pageCount, present } = this.#memory
    const blockRank = (block: number) => (data ? this.#before[block] : block * Ranks.#BLOCK - this.#before[block])
    let [low, high] = [0, this.#before.length - 2]
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (blockRank(middle) <= rank) low = middle
      else high = middle - 1
    }
    const next = data ? nextSetBit : nextClearBit
    let page = next(present!, low * Ranks.#BLOCK, pageCount)
    for (let left = rank - blockRank(low); left > 0; left--) page = next(present!, page + 1, pageCount)
    return page
  }
}
