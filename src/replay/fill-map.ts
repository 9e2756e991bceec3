/**
 * How a restore fills memory: for each cell of a window over host pages, how much of it came because of a fault and how much
 * without, whether the workload wanted it, and when. The restore is replayed for it, so that any window of any restore can
 * be asked for without keeping a record of every page.
 */
import { type Bitmap, bitmapOf, createBitmap, nextClearBit, nextSetBit, setBits } from '../core/bitmap.ts'
import { hostPagesOf, type Layout } from '../destination/layout.ts'
import { countPerCell, type PageWindow } from '../destination/window.ts'
import type { Workload } from '../workload/workload.ts'
import type { ReplayAnswers } from './answers.ts'
import { FaultReplay, type ReplayOptions } from './fault-replay.ts'
import { tellPart } from './workload-part.ts'

export interface FillMap {
  /** vCPUs may run; the workload's last access is done; all that the policy does is done. */
  readonly resumeNs: number
  readonly workDoneNs: number
  readonly endNs: number
  /** Host pages of each cell: that the workload touches; that came because a vCPU waited for them; that came otherwise; of these, that nobody touches. */
  readonly touched: Uint32Array
  readonly byFault: Uint32Array
  readonly byPrefetch: Uint32Array
  readonly wasted: Uint32Array
  /** When the first and the last page of each cell came, ns; NaN: none did. */
  readonly firstNs: Float64Array
  readonly lastNs: Float64Array
}

/** Pieces of the workload between looks at what the kernel has mapped by itself: how finely its times are known. */
const PIECES = 256

/** @param options of the restore; its vCPUs are the workload's. @throws LazyRestoreError when one of them is wrong */
export function fillMap(options: Omit<ReplayOptions, 'vcpus'>, workload: Workload, window: PageWindow): FillMap {
  const { layout } = options
  const replay = new FaultReplay({ ...options, vcpus: workload.vcpus })
  const times = new CellTimes(layout, window)
  for (let piece = 0; piece < PIECES; piece++) {
    times.add(replay, tellPart(replay, workload, piece, piece + 1, PIECES))
  }
  times.add(replay, [replay.end()])
  const { resident, faulted, nowNs } = replay.state()
  const { resumeNs, workDoneNs } = replay.result()
  const touched = bitmapOf(hostPagesOf(layout, workload.page), layout.hostPageCount)
  const count = (word: (index: number) => number): Uint32Array =>
    countPerCell(
      resident.map((_, index) => word(index)),
      window,
    )
  return {
    resumeNs,
    workDoneNs,
    endNs: Math.max(nowNs, workDoneNs),
    touched: countPerCell(touched, window),
    byFault: count(index => resident[index] & faulted[index]),
    byPrefetch: count(index => resident[index] & ~faulted[index]),
    wasted: count(index => resident[index] & ~faulted[index] & ~touched[index]),
    firstNs: times.firstNs,
    lastNs: times.lastNs,
  }
}

/** When pages of each cell came: by the install calls, and what the kernel maps by itself by looking now and then. */
class CellTimes {
  readonly firstNs: Float64Array
  readonly lastNs: Float64Array
  readonly #window: PageWindow
  /** Pages whose time is known. */
  readonly #known: Bitmap

  constructor({ hostPageCount }: Layout, window: PageWindow) {
    this.#window = window
    this.#known = createBitmap(hostPageCount)
    this.firstNs = new Float64Array(window.cells).fill(Number.NaN)
    this.lastNs = new Float64Array(window.cells).fill(Number.NaN)
  }

  add(replay: FaultReplay, answers: readonly ReplayAnswers[]): void {
    for (const { installed } of answers) {
      const { first, count, atNs } = installed
      for (let run = 0; run < first.length; run++) this.#came(first[run], count[run], atNs[run])
    }
    const { resident, nowNs } = replay.state()
    const { from, count } = this.#window
    const missed = resident.map((word, index) => word & ~this.#known[index])
    for (let page = nextSetBit(missed, from, from + count); page < from + count; ) {
      const end = nextClearBit(missed, page, from + count)
      this.#came(page, end - page, nowNs)
      page = nextSetBit(missed, end, from + count)
    }
  }

  #came(first: number, count: number, atNs: number): void {
    setBits(this.#known, first, count)
    const { from, pagesPerCell, cells } = this.#window
    const firstCell = Math.max(0, Math.floor((first - from) / pagesPerCell))
    const endCell = Math.min(cells, Math.floor((first + count - 1 - from) / pagesPerCell) + 1)
    for (let cell = firstCell; cell < endCell; cell++) {
      // Not a number is neither below nor above.
      if (!(this.firstNs[cell] <= atNs)) this.firstNs[cell] = atNs
      if (!(this.lastNs[cell] >= atNs)) this.lastNs[cell] = atNs
    }
  }
}
