/**
 * A working set: the host pages that earlier runs used, in the order in which they are wanted, and, where it is in a file,
 * their contents in that order. Plain data, so that it can be posted to a thread. Policies plan by the pages alone.
 */
import { testBit } from '../core/bitmap.ts'
import { blockOfHostPage, hostPagesOf, type Layout } from '../destination/layout.ts'
import { firstUseOrder } from '../workload/first-use.ts'
import type { Workload } from '../workload/workload.ts'

export interface WorkingSet {
  /** Host pages by their dense index, each once, first wanted first. */
  readonly pages: Uint32Array
  /** Null: nobody has written them yet. An engine that reads them writes a file of its own then. */
  readonly contents: WorkingSetContents | null
}

/** Where the pages that have data lie one after the other, whole host pages, in the order of `pages`. */
export interface WorkingSetContents {
  readonly path: string
  /** Of the first page in the file; a multiple of 4096, so that it can be read past the page cache. */
  readonly offset: number
  readonly byteLength: number
}

/** The working set of one run, in order of first use. */
export function workingSetOf(layout: Layout, recording: Workload): WorkingSet {
  const pages = firstUseOrder(recording, hostPagesOf(layout, recording.page), layout.hostPageCount)
  return { pages, contents: null }
}

/** Bytes of the contents: whole host pages, for those of `pages` that have data. */
export function contentBytes(layout: Layout, pages: Uint32Array): number {
  let bytes = 0
  for (const page of pages) if (testBit(layout.hasData, page)) bytes += blockOfHostPage(layout, page).hostPageSize
  return bytes
}
