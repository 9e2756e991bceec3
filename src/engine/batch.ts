/**
 * A batch is what a carrier claims, reads and installs at a time: one install run of the snapshot, or several runs whose
 * bytes lie side by side in the working-set file and come with one read.
 */
import type { Claims } from '../destination/claims.ts'
import { blockOfHostPage, type Layout, runBytes } from '../destination/layout.ts'
import { FILL, Plan } from '../policy/plan.ts'
import type { Mechanism } from '../policy/policy.ts'
import { createInstallRun, type InstallLimits, type InstallRun, nextInstallRun } from '../resolver/install-run.ts'
import { OP_COPY } from '../resolver/resolver.ts'

export class Batch {
  readonly plan: Plan
  /** The claimed install runs, in the order of the plan: the first `runCount` entries. */
  readonly runs: InstallRun[] = []
  /** Where each run's bytes lie in what is read from the working-set file. */
  readonly fileRunOffset: number[] = []
  runCount = 0
  /** How many of them are installed. */
  installed = 0
  /** Bytes of memory that the batch installs. */
  bytes = 0
  /** Target pages, within their block, that the batch reads from the snapshot; equal: none. */
  readCursor = 0
  readEnd = 0
  /** Bytes that it reads from the working-set file, and where; 0 bytes: none. */
  fileBytes = 0
  fileOffset = 0
  /** The bytes came from the working-set file, whole host pages. */
  fromFile = false
  readonly #layout: Layout
  readonly #claims: Claims
  readonly #limits: InstallLimits
  readonly #fileLimits: InstallLimits
  readonly #workingSetReadBytes: number
  /** Memory that is not registered reads as zeros by itself. */
  readonly #skipsZeros: boolean
  /** A fill leaves zero pages out: they are claimed, and nobody installs them. */
  readonly #fillSkipsZeros: boolean
  #planIndex = 0
  /** Next host page of the current run of the plan. */
  #page = 0

  /** @param fillSkipsZeros memory that was never installed reads as zeros when the restore is over */
  constructor(layout: Layout, claims: Claims, mechanism: Mechanism, fillSkipsZeros = false) {
    const { readBytes, zeroBytes, workingSetReadBytes, planRuns, install } = mechanism
    this.plan = new Plan(planRuns)
    this.#layout = layout
    this.#claims = claims
    this.#limits = { readBytes, zeroBytes }
    this.#fileLimits = { readBytes: Number.POSITIVE_INFINITY, zeroBytes: Number.POSITIVE_INFINITY }
    this.#workingSetReadBytes = workingSetReadBytes
    this.#skipsZeros = install !== 'uffd'
    this.#fillSkipsZeros = fillSkipsZeros
  }

  /** Begins to carry out `plan` from its first run on. */
  startPlan(): void {
    this.#planIndex = 0
    this.#page = this.plan.first[0]
  }

  /** Claims the next batch of the plan; false when the plan is done. */
  claimNext(): boolean {
    if (this.#planIndex === this.plan.length) return false
    this.runCount = 0
    this.installed = 0
    this.bytes = 0
    this.readEnd = this.readCursor
    this.fileBytes = 0
    this.fromFile = false
    while (this.#planIndex < this.plan.length) {
      if (this.plan.sourceOffset[this.#planIndex] >= 0) this.#claimFileRuns()
      else this.#claimRun()
      if (this.runCount > 0) return true
    }
    return false
  }

  #claimRun(): void {
    const { plan } = this
    const end = plan.first[this.#planIndex] + plan.count[this.#planIndex]
    const skipsZeros = this.#skipsZeros || (this.#fillSkipsZeros && plan.sourceOffset[this.#planIndex] === FILL)
    const run = nextInstallRun(this.#layout, this.#claims, this.#page, end, this.#limits, this.#nextRun())
    if (run.count > 0) run.count = this.#claims.claim(run.first, run.count)
    this.#page = run.first + run.count
    if (this.#page === end) this.#nextRunOfPlan()
    if (run.count === 0 || (run.op !== OP_COPY && skipsZeros)) return
    this.#add(run)
    if (run.op !== OP_COPY) return
    const { firstHostPage, pageShift, block } = run.block
    const first = run.first - firstHostPage
    const pagesPerHostPage = 1 << pageShift
    this.readCursor = first * pagesPerHostPage
    this.readEnd = Math.min((first + run.count) * pagesPerHostPage, block.pageCount)
  }

  /** Runs side by side in the working-set file. What others have claimed is read along, not installed. */
  #claimFileRuns(): void {
    const { plan } = this
    const start = plan.sourceOffset[this.#planIndex]
    let end = start
    while (this.#planIndex < plan.length && plan.sourceOffset[this.#planIndex] === end) {
      const first = plan.first[this.#planIndex]
      const pages = plan.count[this.#planIndex]
      const runEnd = end + pages * blockOfHostPage(this.#layout, first).hostPageSize
      if (end > start && runEnd - start > this.#workingSetReadBytes) break
      for (let page = first; ; ) {
        const run = nextInstallRun(this.#layout, this.#claims, page, first + pages, this.#fileLimits, this.#nextRun())
        if (run.count === 0) break
        run.count = this.#claims.claim(run.first, run.count)
        page = run.first + run.count
        if (run.count === 0) continue
        this.fileRunOffset[this.runCount] = end - start + (run.first - first) * run.block.hostPageSize
        this.#add(run)
      }
      end = runEnd
      this.#nextRunOfPlan()
    }
    if (this.runCount === 0) return
    this.fileOffset = start
    this.fileBytes = end - start
  }

  /** Room for the batch's next run. */
  #nextRun(): InstallRun {
    if (this.runCount === this.runs.length) this.runs.push(createInstallRun(this.#layout))
    return this.runs[this.runCount]
  }

  #add(run: InstallRun): void {
    this.runCount++
    this.bytes += runBytes(run.block, run.first, run.count)
  }

  #nextRunOfPlan(): void {
    this.#planIndex++
    if (this.#planIndex < this.plan.length) this.#page = this.plan.first[this.#planIndex]
  }
}
