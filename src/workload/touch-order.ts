/**
 * The order in which the pages of a working set are touched first. Neighbours in memory are often not neighbours in time:
 * each page after the first of its run follows directly on the page before with probability `follow`, and otherwise comes
 * at a time of its own. What stays together is a *piece*; pieces are visited in random or in address order.
 */
import type { PageRuns } from './page-runs.ts'
import { below, chance, type RandomStream } from './random-stream.ts'

export type RunOrder = 'random' | 'sequential'

/** All pages of `runs`, in the order of first touch. */
export function orderPages(runs: PageRuns, order: RunOrder, follow: number, stream: RandomStream): Uint32Array {
  const pages = runs.count.reduce((sum, count) => sum + count, 0)
  const first = new Uint32Array(pages)
  const count = new Uint32Array(pages)
  let pieces = 0
  for (let run = 0; run < runs.first.length; run++) {
    for (let i = 0; i < runs.count[run]; i++) {
      if (i > 0 && chance(stream, follow)) {
        count[pieces - 1]++
      } else {
        first[pieces] = runs.first[run] + i
        count[pieces++] = 1
      }
    }
  }
  if (order === 'random') shufflePairs(first, count, pieces, stream)
  const ordered = new Uint32Array(pages)
  let at = 0
  for (let piece = 0; piece < pieces; piece++) {
    for (let i = 0; i < count[piece]; i++) ordered[at++] = first[piece] + i
  }
  return ordered
}

/** Fisher–Yates over the first `length` of two columns at once. */
function shufflePairs(a: Uint32Array, b: Uint32Array, length: number, stream: RandomStream): void {
  for (let i = length - 1; i > 0; i--) {
    const j = below(stream, i + 1)
    const swapA = a[i]
    a[i] = a[j]
    a[j] = swapA
    const swapB = b[i]
    b[i] = b[j]
    b[j] = swapB
  }
}
