/** How alike two sets of pages are: what a list recorded earlier would have been worth in a later run. */
import { type Bitmap, createBitmap, popcount32, setBits } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import { distinctPages } from '../workload/stats.ts'
import type { Workload } from '../workload/workload.ts'
import type { WorkingSetHeader } from './file-format.ts'
import type { WorkingSetFile } from './open.ts'

/** Target pages of a memory, whatever they were recorded as. */
export interface PageSet {
  readonly name: string
  readonly snapshotIdentity: string | null
  readonly pageCount: number
  readonly pageSize: number
  readonly bitmap: Bitmap
}

export interface PageSetDifference {
  /** Target pages of the list, of the run, and of both; their size in bytes. */
  readonly listed: number
  readonly used: number
  readonly both: number
  readonly pageSize: number
  /** both / (listed or used); null where both are empty. */
  readonly jaccard: number | null
  /** Of what the run used, the share that was listed; null when it used nothing. */
  readonly recall: number | null
  /** Of what was listed, the share that the run used; null when nothing was listed. */
  readonly precision: number | null
}

export function pagesOfRecording(recording: Workload, name: string): PageSet {
  const { snapshotIdentity, pageCount, pageSize } = recording
  return { name, snapshotIdentity, pageCount, pageSize, bitmap: distinctPages(recording).bitmap }
}

/** The target pages under a file's host pages. */
export function pagesOfFile({ header, pages, contents }: WorkingSetFile): PageSet {
  const { snapshotIdentity, pageSize, blocks } = header
  const places = placesOf(header)
  const pageCount = blocks.reduce((sum, { usedLength }) => sum + usedLength / pageSize, 0)
  const bitmap = createBitmap(pageCount)
  for (const page of pages) {
    const { firstHostPage, firstPage, endPage, pagesEach } = places.find(({ endHostPage }) => page < endHostPage)!
    const first = firstPage + (page - firstHostPage) * pagesEach
    setBits(bitmap, first, Math.min(pagesEach, endPage - first))
  }
  return { name: contents.path, snapshotIdentity, pageCount, pageSize, bitmap }
}

function placesOf({ blocks, pageSize }: WorkingSetHeader) {
  let firstHostPage = 0
  let firstPage = 0
  return blocks.map(({ usedLength, hostPageSize }) => {
    const endHostPage = firstHostPage + Math.ceil(usedLength / hostPageSize)
    const endPage = firstPage + usedLength / pageSize
    const place = { firstHostPage, endHostPage, firstPage, endPage, pagesEach: hostPageSize / pageSize }
    firstHostPage = endHostPage
    firstPage = endPage
    return place
  })
}

/** @throws LazyRestoreError `mismatch` when the two are not of one memory */
export function comparePages(list: PageSet, run: PageSet): PageSetDifference {
  for (const field of ['pageSize', 'pageCount', 'snapshotIdentity'] as const) {
    const found = run[field]
    const expected = list[field]
    if (found === null || expected === null || found === expected) continue
    throw new LazyRestoreError(
      'mismatch',
      `${run.name}: ${field}: found ${found}, expected ${expected}, as ${list.name}`,
    )
  }
  let listed = 0
  let used = 0
  let both = 0
  for (let word = 0; word < list.bitmap.length; word++) {
    listed += popcount32(list.bitmap[word])
    used += popcount32(run.bitmap[word])
    both += popcount32(list.bitmap[word] & run.bitmap[word])
  }
  return {
    listed,
    used,
    both,
    pageSize: list.pageSize,
    jaccard: share(both, listed + used - both),
    recall: share(both, used),
    precision: share(both, listed),
  }
}

function share(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole
}
