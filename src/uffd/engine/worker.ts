/** Does what a policy wants done before vCPUs run, and in the background after. */
import { Carrier, type CarrierSetup } from './carrier.ts'
import { monotonicNs } from './clock.ts'
import { PHASE_RUN, PHASE_STOP, sleepNs } from './restore-state.ts'

/** Longest sleep before the phase is looked at again. */
const NAP_MS = 20
/**
 * How long one stands back for a fault before it looks again: a few faults from a page cache. To be woken at the end of each
 * would cost the handler a call, and on a virtual machine an interrupt of another CPU, while the next fault waits.
 */
export const STAND_BACK_NS = 100_000

export class Worker {
  readonly carrier: Carrier
  readonly #setup: CarrierSetup
  /** A rate-limited worker claims nothing before (CLOCK_MONOTONIC). */
  #notBeforeNs = 0

  /** @param awaitEvent when the kernel wants an event to be read; on a thread of its own a worker waits until a handler has */
  constructor(setup: CarrierSetup, awaitEvent: () => void = () => setup.host.sleepMs(1)) {
    this.#setup = setup
    this.carrier = new Carrier(setup, awaitEvent)
  }

  /** All that must be resident before vCPUs run. */
  begin(): void {
    const { policy, state } = this.#setup
    const { batch } = this.carrier
    while (state.phase < PHASE_STOP) {
      batch.plan.clear()
      policy.begin?.(batch.plan)
      if (batch.plan.length === 0) return
      batch.startPlan()
      while (batch.claimNext()) this.carrier.carryOut()
    }
  }

  /** The background work, until there is none left or the restore is stopped. */
  fill(): void {
    while (this.step());
  }

  /** One batch of the background work; false: there is none left, or the restore is stopped. */
  step(): boolean {
    const { policy, state } = this.#setup
    const { batch } = this.carrier
    if (!this.#mayStart()) return false
    while (!batch.claimNext()) {
      batch.plan.clear()
      if (state.phase === PHASE_RUN) policy.next?.(batch.plan)
      if (batch.plan.length === 0) return false
      batch.startPlan()
    }
    this.#limitRate(batch.bytes)
    this.carrier.carryOut()
    return true
  }

  /** Stands back while faults are open, if the policy wants that, and keeps to its rate; false: stopped meanwhile. */
  #mayStart(): boolean {
    const { policy, state } = this.#setup
    const { yieldToFaults } = policy.mechanism
    for (;;) {
      if (state.phase !== PHASE_RUN) return false
      const leftNs = this.#notBeforeNs - monotonicNs()
      if (leftNs > 0) sleepNs(Math.min(leftNs, NAP_MS * 1e6))
      else if (yieldToFaults && state.faultsOpen > 0) sleepNs(STAND_BACK_NS)
      else return true
    }
  }

  #limitRate(bytes: number): void {
    const { rateBytesPerS } = this.#setup.policy.mechanism
    if (rateBytesPerS === null) return
    this.#notBeforeNs = Math.max(monotonicNs(), this.#notBeforeNs) + (bytes * 1e9) / rateBytesPerS
  }
}
