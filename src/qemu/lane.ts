/**
 * Groups of pages in the order in which they go out: a few of them are planned and read ahead. Groups are used again, so that
 * a restore needs a bounded and small memory.
 */
import type { GroupPlanner } from './group-planner.ts'
import { PageGroup, type ReadBytes } from './page-group.ts'

export interface LaneSetup {
  readonly maxGroups: number
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
  readonly #spare: PageGroup[] = []
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
    while (this.#planner !== null && this.#groups.length < maxGroups) {
      const group = this.#spare.pop() ?? new PageGroup()
      group.reset(readLimit)
      this.#planner.fill(group)
      if (group.isEmpty) {
        this.#spare.push(group)
        if (!this.#planner.isDone) setImmediate(onProgress)
        return
      }
      this.#groups.push(group)
      this.#read(group)
    }
  }

  #read(group: PageGroup): void {
    const { readSnapshot, readWorkingSet, onProgress, onError, onWorkingSetError } = this.#setup
    if (!group.isOfWorkingSetFile) {
      group.read(readSnapshot)?.then(onProgress, onError)
      return
    }
    const fromSnapshot = (error: unknown): Promise<void> => {
      onWorkingSetError(error)
      return group.readFromSnapshot(readSnapshot)
    }
    group.read(readWorkingSet!)?.catch(fromSnapshot).then(onProgress, onError)
  }
}
