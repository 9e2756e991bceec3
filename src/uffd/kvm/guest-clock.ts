/**
 * From the guest's TSC to CLOCK_MONOTONIC of the host, in ns. The rate is what KVM says (KVM_GET_TSC_KHZ). The offset is
 * measured: the guest tells its TSC many times, and the time at which it did so lies between the start and the end of that
 * KVM_RUN; the middle of the shortest one is off by at most half of it (F. Cristian, Probabilistic clock synchronization,
 * 1989).
 */
import { LazyRestoreError } from '../../core/error.ts'
import { monotonicNs } from '../engine/clock.ts'
import { REG_RAX } from './constants.ts'
import type { Vcpu } from './vcpu.ts'

const ROUNDS = 32
const NS_PER_MS = 1e6

export class GuestClock {
  readonly ticksPerNs: number
  /** How far `nsOf` may be off. Differences of two times are not affected. */
  readonly errorNs: number
  readonly #anchorTicks: number
  readonly #anchorNs: number

  constructor(tscKhz: number, anchorTicks: number, anchorNs: number, errorNs: number) {
    this.ticksPerNs = tscKhz / NS_PER_MS
    this.errorNs = errorNs
    this.#anchorTicks = anchorTicks
    this.#anchorNs = anchorNs
  }

  /** @param ticks of the guest's TSC */
  nsOf(ticks: number): number {
    return this.#anchorNs + (ticks - this.#anchorTicks) / this.ticksPerNs
  }
}

/**
 * Compares the clocks, with a vCPU that is about to run the program `sync`. Takes a ms.
 * @throws LazyRestoreError `io` when the guest does not run; `unsupported` when its clock has no known rate.
 */
export function measureClock(vcpu: Vcpu): GuestClock {
  let shortestNs = Number.POSITIVE_INFINITY
  let anchorTicks = 0
  let anchorNs = 0
  for (let round = 0; round < ROUNDS; round++) {
    const startNs = monotonicNs()
    const exit = vcpu.run()
    const endNs = monotonicNs()
    if (exit !== 'out' || endNs - startNs >= shortestNs) continue
    shortestNs = endNs - startNs
    vcpu.readRegisters()
    anchorTicks = Number(vcpu.registers[REG_RAX])
    anchorNs = startNs + shortestNs / 2
  }
  if (shortestNs === Number.POSITIVE_INFINITY) {
    throw new LazyRestoreError('io', `kvm: clock of the guest: found none in ${ROUNDS} runs, the last ${vcpu.failure}`)
  }
  return new GuestClock(vcpu.tscKhz(), anchorTicks, anchorNs, shortestNs / 2)
}
