/**
 * What the thread of a vCPU does: makes the vCPU and measures its clock, waits until it may run, then runs the guest until its
 * list is done, it is told to stop, or it cannot go on.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { assemble } from '../assembler.ts'
import { monotonicNs } from '../engine/clock.ts'
import { PHASE_RUN, PHASE_STOP, RestoreState, type SharedRestore, sleepNs } from '../engine/restore-state.ts'
import { libc, viewMemory } from '../native.ts'
import { REG_R10, REG_R11, REG_RBX, REG_RDI, REG_RFLAGS, REG_RIP, REG_RSI } from './constants.ts'
import type { GuestJob } from './guest.ts'
import { type GuestClock, measureClock } from './guest-clock.ts'
import { type AccessTimes, ENTRY_BYTES, ENTRY_WORDS, readTimes } from './guest-lists.ts'
import { CODE_ADDRESS, TABLES_ADDRESS } from './guest-map.ts'
import { GUEST_CODE, type GuestProgram, PORT_DONE, PORT_IDLE, TICKS_SHIFT } from './machine-code.ts'
import { RFLAGS_AT_START, Vcpu } from './vcpu.ts'
import { interruptVcpu, VCPU_SIGNALS, VcpuSignals } from './vcpu-signals.ts'

/** Of a run before the job's, which nobody interrupts on purpose. */
const MOST_TRIES = 100
/** Longest sleep before the phase is looked at again. */
const NAP_NS = 20e6
/** Longer than a turn of the guest's think loop, even where the host interprets it; shorter than the host runs another thread. */
const PREEMPTED_NS = 25_000

export interface VcpuResult {
  readonly outcome: 'done' | 'stopped' | 'failed'
  /** Why it failed: names the vCPU and the guest address. */
  readonly failure: string | null
  /** CLOCK_MONOTONIC, right before the guest runs and right after it has ended. */
  readonly startNs: number
  readonly endNs: number
  /** Entries of the list that are done. */
  readonly entries: number
  /** Of these entries; null when the program was not `walk`. */
  readonly times: AccessTimes | null
  /** How far `times.startNs` may be off. */
  readonly clockErrorNs: number
}

/** The part of a restore that a vCPU's thread executes. */
export interface GuestVcpuJob {
  readonly guest: GuestJob
  readonly shared: SharedRestore
  /** Longest wait for the moment at which vCPUs may run. */
  readonly limitMs: number
}

/**
 * Prepares, says that it is ready, runs when vCPUs may, and returns when the list is done or the restore has stopped.
 * @throws LazyRestoreError `io` or `unsupported` when there can be no vCPU; `limit` when it was not let run in time
 */
export function runGuestVcpu({ guest, shared, limitMs }: GuestVcpuJob, onReady: () => void): VcpuResult {
  const state = new RestoreState(shared)
  const runner = new VcpuRunner(guest)
  try {
    onReady()
    if (state.await(PHASE_RUN, limitMs)) return runner.run(state)
    throw new LazyRestoreError('limit', `vCPU ${guest.vcpu}: waited ${limitMs} ms to be let run`)
  } finally {
    runner.close()
  }
}

class VcpuRunner {
  readonly clock: GuestClock
  readonly #job: GuestJob
  readonly #vcpu: Vcpu
  readonly #signals: VcpuSignals
  #closed = false

  /** On the thread that is to run the vCPU. @throws LazyRestoreError `io` or `unsupported` when it cannot be made */
  constructor(job: GuestJob) {
    this.#job = job
    this.#signals = new VcpuSignals()
    // One may have come for the vCPU that this thread ran before, when that was done.
    while (this.#signals.take() !== null);
    this.#vcpu = new Vcpu(job.vm, job.vcpu, TABLES_ADDRESS)
    try {
      this.#vcpu.setSignalMask(VCPU_SIGNALS)
      this.#load('warm')
      this.#warm()
      this.#load('sync')
      this.clock = measureClock(this.#vcpu)
      this.#load(job.program)
    } catch (error) {
      this.close()
      throw error
    }
    Atomics.store(job.threadId, 0, libc().gettid())
  }

  /** Runs the job, once, until it is done or the restore's phase is PHASE_STOP. */
  run(state: RestoreState): VcpuResult {
    const startNs = monotonicNs()
    const { outcome, failure } = this.#runToEnd(state)
    const endNs = monotonicNs()
    this.#vcpu.readRegisters()
    const entries = this.#entriesDone()
    const times = this.#job.program === 'walk' ? this.#readTimes(entries) : null
    return { outcome, failure, startNs, endNs, entries, times, clockErrorNs: this.clock.errorNs }
  }

  /** May be called twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    Atomics.store(this.#job.threadId, 0, 0)
    this.#vcpu.close()
  }

  /** Where the guest is in its list. Some CPUs forget all registers in a shutdown: then nothing is known to be done. */
  #entriesDone(): number {
    const { guestAddress, entries } = this.#job.list
    const done = (Number(this.#vcpu.registers[REG_RSI]) - guestAddress) / ENTRY_BYTES
    return done >= 0 && done <= entries ? done : 0
  }

  #runToEnd(state: RestoreState): Pick<VcpuResult, 'outcome' | 'failure'> {
    while (state.phase < PHASE_STOP) {
      const exit = this.#vcpu.run()
      if (exit === 'failed') return this.#failed(`${this.#vcpu.failure}, with ${this.#describeState()}`)
      if (exit === 'interrupted') {
        if (this.#signals.take() !== 'poison') continue
        return this.#failed(`access of ${this.#describePoison(this.#signals.poisonAddress)}: found a poisoned page`)
      }
      const { port, value } = this.#vcpu
      if (port === PORT_DONE) return { outcome: 'done', failure: null }
      if (port !== PORT_IDLE) return this.#failed(`found an out to port ${port}`)
      sleepUntilStop(state, value)
    }
    return { outcome: 'stopped', failure: null }
  }

  #failed(reason: string): Pick<VcpuResult, 'outcome' | 'failure'> {
    return { outcome: 'failed', failure: `vCPU ${this.#job.vcpu}: ${reason}` }
  }

  #describeState(): string {
    this.#vcpu.readRegisters()
    const [address, instruction] = [REG_RBX, REG_RIP].map(index => this.#vcpu.registers[index].toString(16))
    return `its current address 0x${address} and instruction 0x${instruction}`
  }

  #describePoison(host: number): string {
    const block = this.#job.blocks.find(({ address, byteLength }) => host >= address && host < address + byteLength)
    if (block === undefined) return `host address 0x${host.toString(16)}`
    return `guest address 0x${(block.guestAddress + host - block.address).toString(16)}`
  }

  /** Lets the next run start a program, over the list. */
  #load(program: GuestProgram): void {
    const { registers } = this.#vcpu
    const { guestAddress, entries } = this.#job.list
    registers.fill(0n)
    registers[REG_RIP] = BigInt(CODE_ADDRESS + assemble(GUEST_CODE).labels.get(program)!)
    registers[REG_RFLAGS] = RFLAGS_AT_START
    registers[REG_RSI] = BigInt(guestAddress)
    registers[REG_RDI] = BigInt(guestAddress + entries * ENTRY_BYTES)
    const ticksPerNs = this.#vcpu.tscKhz() / 1e6
    registers[REG_R10] = BigInt(Math.round(ticksPerNs * 2 ** TICKS_SHIFT))
    registers[REG_R11] = BigInt(Math.round(ticksPerNs * PREEMPTED_NS))
    this.#vcpu.writeRegisters()
  }

  /** So that the walk is not held up, between its accesses, by first touches of its list. */
  #warm(): void {
    let exit = this.#vcpu.run()
    for (let tries = 1; exit === 'interrupted' && tries < MOST_TRIES; tries++) exit = this.#vcpu.run()
    if (exit === 'out') return
    throw new LazyRestoreError('io', `kvm: first run of a guest: ${exit === 'failed' ? this.#vcpu.failure : exit}`)
  }

  #readTimes(entries: number): AccessTimes {
    if (entries === 0) return { startNs: new Float64Array(0), latencyNs: new Float64Array(0) }
    const { address } = this.#job.list
    const list = new Uint32Array(viewMemory(address, entries * ENTRY_BYTES), 0, entries * ENTRY_WORDS)
    return readTimes(list, entries, this.clock)
  }
}

function sleepUntilStop(state: RestoreState, ns: number): void {
  const deadlineNs = monotonicNs() + ns
  for (let left = ns; left > 0 && state.phase < PHASE_STOP; left = deadlineNs - monotonicNs()) {
    sleepNs(Math.min(left, NAP_NS))
  }
}

/**
 * Makes a vCPU look at its orders, for another thread that has changed them: it may compute, be halted, or sleep for a page.
 * Only one that the host interprets, and that sleeps for a page, goes on until the page is installed or its userfaultfd closed.
 */
export function interruptGuestVcpu({ threadId }: Pick<GuestJob, 'threadId'>): void {
  const id = Atomics.load(threadId, 0)
  if (id !== 0) interruptVcpu(id)
}
