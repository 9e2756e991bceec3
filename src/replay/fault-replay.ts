/**
 * A restore that is asked instead of run: accesses come batch by batch, from whoever has them, and each is answered with how
 * its page came and how long that took. It is the simulator, taken on as far as the accesses that are known allow, and so
 * the answers do not depend on how the accesses are cut into batches: they are those of a restore that knows all of them from
 * the start, to the nanosecond.
 *
 * The clock stands while the next access of some vCPU is not known, because everything that happens later may depend on it.
 * With one vCPU a batch is answered by the call that brings it. With several, what the others do after that moment is pending
 * until that vCPU goes on or is said to have ended.
 */
import { LazyRestoreError } from '../core/error.ts'
import { parseSpec } from '../core/spec-string.ts'
import { hostPagesOf, type Layout } from '../destination/layout.ts'
import type { RestoreRequest } from '../engine/engine.ts'
import { recordOf } from '../engine/record.ts'
import type { RestoreResult } from '../engine/result.ts'
import type { Policy } from '../policy/policy.ts'
import { createPolicy } from '../policy/registry.ts'
import type { Operation } from '../resolver/resolver.ts'
import { deviceOf, type HostProfile, hostCosts } from '../sim/host-profile.ts'
import { measuresOf, residentWorkNs } from '../sim/sim-engine.ts'
import { Simulation, type SimulationInput } from '../sim/simulate.ts'
import { parseStorage, type Storage } from '../storage/device.ts'
import type { Columns } from '../workload/columns.ts'
import { MAX_VCPUS, type Workload } from '../workload/workload.ts'
import { type AccessBatch, checkBatch } from './access-batch.ts'
import { AccessLog, type ReplayLog } from './access-log.ts'
import { AnswerSheet, type ReplayAnswers } from './answers.ts'
import { LogStream } from './log-stream.ts'
import { MAX_CHANGES, onMemory, type PolicyStretch } from './policy-stretch.ts'
import { type ReplayProgress, type ReplayState, stateOf } from './replay-state.ts'
import { simulationBytes } from './session-bytes.ts'

export interface ReplayOptions {
  /** Replays of one snapshot can share it. */
  readonly layout: Layout
  /** As written: `lazy`, `read-around:bytes=64K`. Of a log, the policy that was in charge last. */
  readonly policy: string
  /** As written, or parsed. */
  readonly storage: string | Storage
  readonly profile: HostProfile
  /** vCPUs that will send accesses, 1 to MAX_VCPUS. */
  readonly vcpus: number
  readonly seed: number
  /** The vCPUs are those of a KVM guest; by default threads. */
  readonly guest?: boolean
  /** The part of the time to resume that no policy changes, in ns; by default 0. */
  readonly fixedNs?: number
  /** Host pages in order of first use, for policies that want a recording; by default none. */
  readonly workingSet?: Uint32Array | null
  /** What the result calls the workload; by default `replay`. */
  readonly name?: string
}

/** Accesses of a log that are run in one step. */
const PIECE = 8192

/**
 * ```ts
 * const replay = new FaultReplay({ layout, policy: 'lazy', storage: 'nvme', profile: DEFAULT_HOST_PROFILE, vcpus: 1, seed: 1 })
 * const { op, latencyNs } = replay.access({ length: 1, page: Uint32Array.of(7), vcpu: …, thinkNs: …, flags: … })
 * ```
 */
export class FaultReplay {
  readonly #options: ReplayOptions
  readonly #storage: Storage
  readonly #log: AccessLog
  /** The policy as written and as made, and those before it. */
  #written: string
  #policy: Policy
  readonly #earlier: Policy[] = []
  #stream: LogStream
  #simulation: Simulation

  /** Nothing happens before the first call of `access` or `end`. @throws LazyRestoreError when an option is wrong */
  constructor(options: ReplayOptions) {
    const { vcpus, storage, profile } = options
    if (!Number.isSafeInteger(vcpus) || vcpus < 1 || vcpus > MAX_VCPUS) {
      throw new LazyRestoreError('usage', `replay: found ${vcpus} vCPUs, expected 1..${MAX_VCPUS}`)
    }
    this.#options = options
    this.#storage = typeof storage === 'string' ? parseStorage(storage, deviceOf(profile)) : storage
    this.#log = new AccessLog(vcpus)
    this.#written = options.policy
    this.#policy = this.#create(options.policy)
    this.#stream = this.#newStream()
    this.#simulation = this.#newSimulation()
  }

  /** A replay of the log, as if all of it had come to a new one. */
  static fromLog(options: ReplayOptions, log: ReplayLog): FaultReplay {
    const steps = FaultReplay.steps(options, log)
    for (;;) {
      const { done, value } = steps.next()
      if (done) return value
    }
  }

  /** The same in steps of some ms, for a thread that has other work too. The log must stay as it is until the last one. */
  static *steps(options: ReplayOptions, log: ReplayLog): Generator<void, FaultReplay, void> {
    const stretches = [...log.earlier, { policy: options.policy, accesses: log.length, ended: log.ended }]
    const replay = new FaultReplay({ ...options, policy: stretches[0].policy })
    for (const [i, stretch] of stretches.entries()) {
      if (i > 0) replay.changePolicy(stretch.policy)
      yield* replay.#runOn(log, stretch)
    }
    return replay
  }

  /** Takes the log's accesses and ends up to where the policy was in charge. */
  *#runOn({ page, vcpu, thinkNs, flags }: ReplayLog, { accesses, ended }: PolicyStretch): Generator<void, void, void> {
    for (let start = this.#log.length; start < accesses; start += PIECE) {
      const end = Math.min(accesses, start + PIECE)
      this.access({
        length: end - start,
        page: page.subarray(start, end),
        vcpu: vcpu.subarray(start, end),
        thinkNs: thinkNs.subarray(start, end),
        flags: flags.subarray(start, end),
      })
      yield
    }
    for (const each of ended) if (this.#log.ended[each] === 0) this.end(each)
  }

  /**
   * The next accesses. Those of the batch, or of an earlier one, that the clock reaches are answered.
   * @throws LazyRestoreError `usage` when one of them is wrong, `limit` when the log is full; none is taken then
   */
  access(batch: AccessBatch): ReplayAnswers {
    checkBatch(batch, this.#options.layout.targetPageCount, this.#log.ended)
    this.#log.append(batch)
    return this.#answer(batch.length)
  }

  /**
   * The vCPU, or each of them, has no further accesses. When all have ended, what the policy does in the background is
   * carried out to its end.
   */
  end(vcpu?: number): ReplayAnswers {
    const { ended } = this.#log
    if (vcpu === undefined) ended.fill(1)
    else if (vcpu in ended) ended[vcpu] = 1
    else throw new LazyRestoreError('usage', `replay: found vCPU ${vcpu}, expected 0..${ended.length - 1}`)
    return this.#answer(0)
  }

  /** How far it is; `state` has the rest, and costs copies of its maps. */
  get progress(): ReplayProgress {
    const { agenda, vcpus, resumeNs } = this.#simulation
    const ended = this.#log.endedVcpus
    const isHeld = vcpus.held >= 0
    return {
      nowNs: agenda.now,
      resumeNs: isHeld || ended.length === this.#options.vcpus ? resumeNs : null,
      accesses: this.#log.length,
      answered: this.#stream.answered,
      heldVcpu: isHeld ? vcpus.held : null,
      ended,
    }
  }

  /** The restore so far. */
  state(): ReplayState {
    const { memory } = this.#simulation
    return stateOf(this.progress, measuresOf(this.#policies, this.#simulation, 0), memory.residentBytes)
  }

  /** The record of the restore, as if the vCPUs had no accesses but those that are known: `compare` makes the same. */
  result(): RestoreResult {
    if (this.#simulation.vcpus.running > 0) {
      const whole = this.fork()
      whole.end()
      return whole.result()
    }
    const { layout } = this.#options
    const workload = this.#workload(this.#log.workloadColumns())
    const input = this.#input(workload, hostPagesOf(layout, workload.page))
    const request: RestoreRequest = { ...input, policy: parseSpec(this.#written), workingSet: null }
    return recordOf('sim', request, measuresOf(this.#policies, this.#simulation, residentWorkNs(input)))
  }

  /**
   * From this instant another policy decides. What is resident stays, what is under way ends as it was begun, and the clock
   * stands. The policy begins with what it wants there before a VM runs, as far as that is missing; the VM is not stopped
   * for it. One that wants a recording has that of the options. Before the first call it is the policy from the start.
   * @throws LazyRestoreError `usage` for what is no policy, `mismatch` where memory cannot be filled in its way, `limit`
   */
  changePolicy(policy: string): ReplayAnswers {
    const { earlier, length, endedVcpus: ended } = this.#log
    if (earlier.length >= MAX_CHANGES) {
      throw new LazyRestoreError('limit', `replay: found ${MAX_CHANGES} changes of policy, expected no more`)
    }
    const created = this.#create(policy)
    if (this.#begun) {
      const next = onMemory(created, this.#policy.mechanism.install)
      earlier.push({ policy: this.#written, accesses: length, ended })
      this.#earlier.push(this.#policy)
      this.#policy = next
      this.#simulation.changePolicy(next)
    } else {
      this.#policy = created
      this.#stream = this.#newStream()
      this.#simulation = this.#newSimulation()
    }
    this.#written = policy
    return this.#answer(0)
  }

  /** A replay of its own that is where this one is, because it has run the same accesses; with a policy, that one decides from here. */
  fork(policy?: string): FaultReplay {
    const fork = FaultReplay.fromLog({ ...this.#options, policy: this.#written }, this.log())
    if (policy !== undefined) fork.changePolicy(policy)
    return fork
  }

  /** Everything that the replay was told; `fromLog` makes it again. Views, true until the next call. */
  log(): ReplayLog {
    return this.#log.content
  }

  /** Memory that this replay has for itself, in bytes; `sharedReplayBytes` has the rest. It grows by 15 to 30 bytes an access, and 4 to 8 a fault. */
  get byteLength(): number {
    const { layout, guest = false } = this.#options
    const mechanisms = [...this.#earlier, this.#policy].map(({ mechanism }) => mechanism)
    const shape = { layout, mechanisms, cacheWarm: this.#storage.cacheWarm, guest }
    return simulationBytes(shape, this.#simulation.vcpus) + this.#log.byteLength + this.#stream.byteLength
  }

  /** The replay was told something. */
  get #begun(): boolean {
    return this.#log.length > 0 || this.#log.ended.includes(1)
  }

  /** For records: the policy, under the names of all that have been in charge. */
  get #policies(): Policy {
    const name = [...this.#earlier, this.#policy].map(policy => policy.name).join(' then ')
    return { ...this.#policy, name }
  }

  #create(policy: string): Policy {
    const { layout, workingSet = null } = this.#options
    return createPolicy(parseSpec(policy), { layout, workingSet })
  }

  #newStream(): LogStream {
    return new LogStream(this.#options.layout, this.#log, this.#policy.mechanism.install === 'map')
  }

  #newSimulation(): Simulation {
    const stream = this.#stream
    const { windows } = stream
    const observer = { installed: this.#installed.bind(this) }
    return new Simulation({ ...this.#input(this.#workload(windows), windows.page), stream, observer })
  }

  /** @param room answers that are expected */
  #answer(room: number): ReplayAnswers {
    const sheet = new AnswerSheet(room)
    this.#stream.sheet = sheet
    // An empty batch tells nothing, and must not be what the clock begins with: the log would not show it.
    if (this.#begun) this.#simulation.advance()
    return sheet.answers(this.#log.length - this.#stream.answered, this.#simulation.agenda.now)
  }

  #installed(op: Operation, first: number, count: number): void {
    this.#stream.sheet.installed(op, first, count, this.#simulation.agenda.now)
  }

  #workload(columns: Columns): Workload {
    const { layout, vcpus, name = 'replay' } = this.#options
    return {
      name,
      seed: null,
      snapshotIdentity: layout.snapshot.identity,
      pageCount: layout.targetPageCount,
      pageSize: layout.blocks[0].block.pageSize,
      vcpus,
      ...columns,
    }
  }

  #input(workload: Workload, hostPage: Uint32Array): SimulationInput {
    const { layout, profile, seed, fixedNs = 0, guest = false } = this.#options
    const storage = this.#storage
    return {
      layout,
      policy: this.#policy,
      workload,
      hostPage,
      storage,
      costs: hostCosts(profile),
      fixedNs,
      seed,
      guest,
    }
  }
}
