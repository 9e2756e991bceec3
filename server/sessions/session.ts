/** A session as it lies on its thread: a replay, and what its accesses are told in. */
import { setImmediate } from 'node:timers/promises'
import {
  countBits,
  deviceOf,
  FaultReplay,
  hostPagesOf,
  type Layout,
  LazyRestoreError,
  parseStorage,
  type ReplayAnswers,
  type ReplayLog,
  type ReplayOptions,
  type RestoreResult,
  tellPart,
  type Workload,
  workingSetOf,
} from 'lazyrestore'
import type { JobLimits } from '../jobs/job.ts'
import { profileOf } from '../jobs/run-cell.ts'
import type { Sources } from '../jobs/sources.ts'
import type { ReplayProgress } from '../schemas/events.ts'
import type { FaultAnswer, FaultBatch } from '../schemas/faults.ts'
import type { SessionState } from '../schemas/sessions.ts'
import { accessList, batchOfColumns, joinAnswers, listAnswer } from './batches.ts'
import type { AnswerForm, SessionSize, SessionSpec } from './call.ts'

const DEFAULT_LAYOUT = '4K'
const DEFAULT_STORAGE = 'nvme'
/** Accesses of a workload that are replayed between two looks at who else wants the thread. */
const PIECE = 16_384

export class Session {
  readonly spec: SessionSpec
  readonly layout: Layout
  readonly #options: ReplayOptions
  readonly #replay: FaultReplay
  readonly #sources: Sources

  static async open(spec: SessionSpec, log: ReplayLog | null, sources: Sources, limits: JobLimits): Promise<Session> {
    const { request, snapshot, recording } = spec
    const layout = await sources.layout(snapshot, request.layout ?? DEFAULT_LAYOUT, limits)
    const profile = profileOf(request.profile ?? null)
    const seed = request.seed ?? 1
    const recorded = recording === null ? null : await sources.workload(recording, layout.snapshot, seed, limits)
    const workingSet = recorded === null ? null : workingSetOf(layout, recorded).pages
    const options = {
      layout,
      policy: request.policy,
      storage: parseStorage(request.storage ?? DEFAULT_STORAGE, deviceOf(profile)),
      profile,
      vcpus: request.vcpus ?? 1,
      seed,
      guest: request.guest ?? false,
      fixedNs: request.fixedNs ?? 0,
      workingSet,
    }
    const replay = log === null ? new FaultReplay(options) : await inSteps(FaultReplay.steps(options, log))
    return new Session(spec, options, replay, sources)
  }

  private constructor(spec: SessionSpec, options: ReplayOptions, replay: FaultReplay, sources: Sources) {
    this.spec = spec
    this.layout = options.layout
    this.#options = options
    this.#replay = replay
    this.#sources = sources
  }

  /** A copy at this instant; the spec is this one's, but perhaps for the policy. @throws LazyRestoreError as `changePolicy` */
  async fork(spec: SessionSpec): Promise<Session> {
    const { policy } = spec.request
    const replay = await this.#copy()
    if (policy !== this.#options.policy) replay.changePolicy(policy)
    return new Session(spec, { ...this.#options, policy }, replay, this.#sources)
  }

  #copy(): Promise<FaultReplay> {
    return inSteps(FaultReplay.steps(this.#options, this.#replay.log()))
  }

  get size(): SessionSize {
    const { targetPageCount, hostPageCount } = this.layout
    const bytes = this.#replay.byteLength + (this.#options.workingSet?.byteLength ?? 0)
    return { pages: targetPageCount, hostPages: hostPageCount, accesses: this.#replay.progress.accesses, bytes }
  }

  faults(batch: FaultBatch, form: AnswerForm, mostAccesses: number): FaultAnswer {
    const more = 'faults' in batch ? batch.faults.length : batch.page.length
    this.#expectRoom(more, mostAccesses)
    const parts =
      'faults' in batch
        ? accessList(this.#replay, this.layout, batch.faults, part => this.#replay.access(part))
        : [this.#replay.access(batchOfColumns(batch))]
    return this.#show(joinAnswers(parts), form)
  }

  end(vcpu: number | null, form: AnswerForm): FaultAnswer {
    return this.#show(vcpu === null ? this.#replay.end() : this.#replay.end(vcpu), form)
  }

  /** A part of the workload: of each vCPU's accesses the same share, so that none is held for long. */
  replayPart(workload: Workload, sent: number, mostAccesses: number): ReplayProgress {
    const { vcpus, page } = workload
    if (vcpus > (this.spec.request.vcpus ?? 1)) {
      const found = `found ${vcpus} vCPUs in the workload`
      throw new LazyRestoreError('mismatch', `replay: ${found}, expected at most the session's`)
    }
    const accesses = page.length
    const until = Math.min(accesses, sent + PIECE)
    this.#expectRoom(until - sent, mostAccesses)
    tellPart(this.#replay, workload, sent, until, accesses)
    if (until === accesses) this.#replay.end()
    const { answered, nowNs } = this.#replay.progress
    return { sent: until, answered, accesses, clockNs: nowNs }
  }

  workload(source: Parameters<Sources['workload']>[0], limits: JobLimits): Promise<Workload> {
    return this.#sources.workload(source, this.layout.snapshot, this.spec.request.seed ?? 1, limits)
  }

  state(): SessionState {
    const state = this.#replay.state()
    const { faults, minorFaults, copies, zeropages, zeroCopies, bytesRead, deviceBytesRead, bytesInstalled } = state
    const { latencyCdf, resident } = state
    return {
      clockNs: state.nowNs,
      accesses: state.accesses,
      pending: state.accesses - state.answered,
      resumeNs: state.resumeNs ?? 0,
      residentPages: countBits(resident, 0, this.layout.hostPageCount),
      counters: {
        faults,
        minorFaults,
        copies,
        zeropages,
        zeroCopies,
        bytesRead,
        deviceBytesRead: deviceBytesRead ?? 0,
        bytesInstalled,
        stallNs: state.stallNs.total,
      },
      histogram: {
        upperNs: Float64Array.from(latencyCdf, ([upperNs]) => upperNs),
        share: Float64Array.from(latencyCdf, ([, share]) => share),
      },
      resident,
    }
  }

  /** The record, as if the accesses so far were all. */
  async result(): Promise<RestoreResult> {
    const { ended } = this.#replay.progress
    if (ended.length === this.#options.vcpus) return this.#replay.result()
    const whole = await this.#copy()
    whole.end()
    return whole.result()
  }

  log(): ReplayLog {
    const { length, page, vcpu, thinkNs, flags, ended, earlier } = this.#replay.log()
    return {
      length,
      page: page.slice(0, length),
      vcpu: vcpu.slice(0, length),
      thinkNs: thinkNs.slice(0, length),
      flags: flags.slice(0, length),
      ended,
      earlier,
    }
  }

  #expectRoom(more: number, most: number): void {
    const { length } = this.#replay.log()
    if (length + more <= most) return
    throw new LazyRestoreError('limit', `session: found ${length + more} accesses, expected at most ${most}`)
  }

  #show(answers: ReplayAnswers, form: AnswerForm): FaultAnswer {
    const { access, op, latencyNs, pending, nowNs, installed } = answers
    const { page } = this.#replay.log()
    const answered = new Uint32Array(access.length)
    for (let i = 0; i < answered.length; i++) answered[i] = page[access[i]]
    const hostPage = hostPagesOf(this.layout, answered)
    if (form === 'list') return listAnswer(this.layout, answers, hostPage)
    return { access, op, hostPage, latencyNs, installed, clockNs: nowNs, pending }
  }
}

/** Others have their turn between two steps. */
async function inSteps<T>(steps: Generator<void, T, void>): Promise<T> {
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
    await setImmediate()
  }
}
