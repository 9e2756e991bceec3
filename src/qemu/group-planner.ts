/**
 * Turns what a policy plans into groups of pages: claims its runs batch by batch and packs them until a group is full. One
 * planner for what must be there before the VM runs, one for the background, one for page requests; they share the claims.
 */
import { runBytes } from '../destination/layout.ts'
import type { Batch } from '../engine/batch.ts'
import type { Plan } from '../policy/plan.ts'
import { OP_COPY } from '../resolver/resolver.ts'
import type { PageGroup } from './page-group.ts'

/** Batches claimed for one group at most: memory may be full of zero pages that nobody sends, and requests must not wait. */
const MAX_BATCHES_PER_GROUP = 512
/** Longer reads of the working-set file (of huge pages of 1 GiB) are made piece by piece from the snapshot instead. */
const MAX_FILE_READ_BYTES = 16 * 1024 * 1024

export interface GroupPlannerOptions {
  /** Puts what is wanted next into a plan; adding nothing: there is nothing for now. */
  addToPlan(plan: Plan): void
  /** A group may hold pages of several plans. */
  readonly packsPlans: boolean
  /** Runs with a place in the working-set file are read from there. */
  readonly hasWorkingSetFile: boolean
}

export class GroupPlanner {
  readonly #batch: Batch
  readonly #options: GroupPlannerOptions
  #hasPlan = false
  /** The claimed run that comes next, and how many of its target pages are in groups. */
  #run = 0
  #runDone = 0
  /** The last call of `addToPlan` added nothing. */
  isDone = false

  constructor(batch: Batch, options: GroupPlannerOptions) {
    this.#batch = batch
    this.#options = options
  }

  /** Adds pages to an empty group until it is full or there are no more. It may stay empty though there are more. */
  fill(group: PageGroup): void {
    const batch = this.#batch
    for (let batches = 0; ; batches++) {
      while (this.#run < batch.runCount) {
        if (this.#isFileBatch()) {
          if (group.isEmpty) this.#takeFileBatch(group)
          return
        }
        if (!this.#takeRun(group)) return
      }
      if (batches === MAX_BATCHES_PER_GROUP) return
      if (this.#hasPlan && this.#claimNext()) continue
      this.#hasPlan = false
      if (!group.isEmpty && !this.#options.packsPlans) return
      if (!this.#startPlan()) return
    }
  }

  #claimNext(): boolean {
    const claimed = this.#batch.claimNext()
    this.#run = 0
    if (!claimed) this.#batch.runCount = 0
    return claimed
  }

  #startPlan(): boolean {
    const { plan } = this.#batch
    plan.clear()
    this.#options.addToPlan(plan)
    this.isDone = plan.length === 0
    if (this.isDone) return false
    this.#batch.startPlan()
    this.#hasPlan = true
    return true
  }

  #isFileBatch(): boolean {
    const { fileBytes } = this.#batch
    return this.#options.hasWorkingSetFile && fileBytes > 0 && fileBytes <= MAX_FILE_READ_BYTES
  }

  /** All runs of the batch, whose bytes come with one read of the working-set file. */
  #takeFileBatch(group: PageGroup): void {
    const { runs, runCount, fileRunOffset, fileOffset, fileBytes } = this.#batch
    for (; this.#run < runCount; this.#run++) {
      const { block, first, count } = runs[this.#run]
      const firstPage = (first - block.firstHostPage) * 2 ** block.pageShift
      const pages = runBytes(block, first, count) / block.block.pageSize
      group.addFilePages(block, firstPage, pages, fileRunOffset[this.#run])
    }
    group.addFileRead(fileOffset, fileBytes)
  }

  /** As much of the next run as there is room for; false when the group is full. */
  #takeRun(group: PageGroup): boolean {
    const { block, first, count, op } = this.#batch.runs[this.#run]
    const firstPage = (first - block.firstHostPage) * 2 ** block.pageShift + this.#runDone
    const left = runBytes(block, first, count) / block.block.pageSize - this.#runDone
    const taken = op === OP_COPY ? group.addPages(block, firstPage, left) : group.addZeros(block, firstPage, left)
    if (taken === left) {
      this.#run++
      this.#runDone = 0
      return true
    }
    // Whole host pages, so that other pages may follow; unless the group holds nothing but a part of one.
    const part = Math.min(taken, (firstPage + taken) % 2 ** block.pageShift)
    const givenBack = part < taken || group.runCount > 1 ? part : 0
    if (givenBack > 0) group.giveBack(givenBack)
    this.#runDone += taken - givenBack
    return false
  }
}
