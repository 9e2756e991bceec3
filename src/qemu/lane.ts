/**
 * Groups of pages in the order in which they go out: a few of them are planned and read ahead. Groups are used again, so that
 * a restore needs a bounded and small memory.
 */
import type { LayoutBlock } from '../destination/layout.ts'
import type { GroupPlanner } from './group-planner.ts'
import { PageGroup, type ReadBytes } from './page-group.ts'

export interface LaneSetup {
  readonly maxGroups: number
  /** Its planner gets more to plan from time to time. */
  readonly isFed: boolean
  /** Groups that are being read at a time, now. */
  maxReads(): number
  /** Bytes of the largest read of the snapshot. */
  readonly readLimit: number
  readonly readSnapshot: ReadBytes
  /** Null: there is no working-set file. */
  readonly readWorkingSet: ReadBytes | null
  /** A group that was not ready is so now, or more can be planned. */
  onProgress(): void
  onError(error: unknown): void
  /** The working-set file could not be read; the snapshot is instead. */
  onWorkingSetError(error: unknown): void
}

/** Target pages `[first, first + count)` of a block. */
export interface PageSpan {
  readonly first: number
  readonly count: number
}

type CopyAnswer = Promise<void> | null | undefined

export class Lane {
  readonly #setup: LaneSetup
  readonly #groups: PageGroup[] = []
  /** Those of them whose reads have not begun. */
  readonly #unread: PageGroup[] = []
  readonly #spare: PageGroup[] = []
  #reading = 0
  #planner: GroupPlanner | null = null

  constructor(setup: LaneSetup) {
    this.#setup = setup
  }

  /** What the lane takes its pages from, from now on. */
  use(planner: GroupPlanner): void {
    this.#planner = planner
  }

  /** Nothing is planned, read or waits to be sent. */
  get isEmpty(): boolean {
    return this.#groups.length === 0
  }

  /** The next group to send, when it is read. */
  get head(): PageGroup | null {
    const first = this.#groups[0]
    return first?.ready ? first : null
  }

  dropHead(): void {
    this.#spare.push(this.#groups.shift()!)
  }

  /**
   * Copies the bytes of target pages from a group that has them: at once, and then returns null; or later, when it is read.
   * Undefined: none has them.
   * @param mayWait also take them from one that is being read from the snapshot. One of the working-set file has larger reads, in
   *   sequence, and a request that waits for them was measured to be slower than one that reads for itself.
   */
  copy(block: LayoutBlock, pages: PageSpan, target: Uint8Array, at: number, mayWait: boolean): CopyAnswer {
    const { first, count } = pages
    for (const group of this.#groups) {
      if (!group.ready && (group.reading === null || !mayWait || group.isOfWorkingSetFile)) continue
      const place = group.placeOf(block, first, count)
      if (place < 0) continue
      const end = place + count * block.block.pageSize
      const copyNow = (): void => target.set(group.buffer.subarray(place, end), at)
      if (!group.ready) return group.reading!.then(copyNow)
      copyNow()
      return null
    }
    return undefined
  }

  /** Plans and reads on, as far as there is room. */
  refill(): void {
    const { maxGroups, readLimit, onProgress } = this.#setup
    while (this.#mayPlan && this.#groups.length < maxGroups) {
      const group = this.#spare.pop() ?? new PageGroup()
      group.reset(readLimit)
      this.#planner!.fill(group)
      if (group.isEmpty) {
        this.#spare.push(group)
        if (!this.#planner!.isDone) setImmediate(onProgress)
        break
      }
      this.#groups.push(group)
      this.#unread.push(group)
    }
    this.#startReads()
  }

  /** A planner that had nothing more is not asked again, unless it may get more. */
  get #mayPlan(): boolean {
    return this.#planner !== null && (this.#setup.isFed || !this.#planner.isDone)
  }

  #startReads(): void {
    while (this.#unread.length > 0 && this.#reading < this.#setup.maxReads()) {
      const group = this.#unread.shift()!
      const later = this.#read(group)
      if (later === null) continue
      group.reading = later
      this.#reading++
      const goOn = (): void => {
        this.#reading--
        this.#startReads()
        this.#setup.onProgress()
      }
      later.then(goOn).catch(this.#setup.onError)
    }
  }

  #read(group: PageGroup): Promise<void> | null {
    const { readSnapshot, readWorkingSet, onWorkingSetError } = this.#setup
    if (!group.isOfWorkingSetFile) return group.read(readSnapshot)
    const later = group.read(readWorkingSet!)
    if (later === null) return null
    return later.catch(error => {
      onWorkingSetError(error)
      return group.readFromSnapshot(readSnapshot)
    })
  }
}
