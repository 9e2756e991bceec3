/**
 * How long a hypervisor waits at hand for a CPU of the guest that has halted, before it puts it to sleep: as long as it has
 * learnt to (Linux virt/kvm/kvm_main.c, Documentation/virt/kvm/halt-polling.rst, with its defaults). A halt that was longer
 * makes it wait for twice as long the next time, one that was longer than it may ever wait, for half as long.
 */
import type { DeviceParameters } from './device.ts'

/** halt_poll_ns_grow_start. */
const START_NS = 10_000
/** halt_poll_ns_grow and halt_poll_ns_shrink. */
const FACTOR = 2

export class HaltPoll {
  readonly #mostNs: number
  readonly #wakeNs: number
  #pollNs = 0

  constructor({ haltPollNs, idleWakeNs }: Pick<DeviceParameters, 'haltPollNs' | 'idleWakeNs'>) {
    this.#mostNs = haltPollNs
    this.#wakeNs = haltPollNs === 0 ? 0 : idleWakeNs
  }

  /** A CPU is woken `haltNs` after it halted; returns how much longer that takes. */
  end(haltNs: number): number {
    if (this.#wakeNs === 0 || haltNs <= this.#pollNs) return 0
    const asleepNs = haltNs + this.#wakeNs
    if (asleepNs > this.#mostNs) {
      const less = this.#pollNs / FACTOR
      this.#pollNs = less < START_NS ? 0 : less
    } else this.#pollNs = Math.min(this.#mostNs, Math.max(START_NS, FACTOR * this.#pollNs))
    return this.#wakeNs
  }
}
