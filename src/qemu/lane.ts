/**
 * Groups of pages in the order in which they go out: a few of them are planned and read ahead. Groups are used again, so that
 * a restore needs a bounded and small memory.
 */
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
      const later = this.#read(this.#unread.shift()!)
      if (later === null) continue
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
