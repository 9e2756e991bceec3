/** How long a worker sleeps that stands back for a fault: what it asked for, the kernel's timer slack, and the wake-up. */
import { monotonicNs } from '../../uffd/engine/clock.ts'
import { sleepNs } from '../../uffd/engine/restore-state.ts'
import { STAND_BACK_NS } from '../../uffd/engine/worker.ts'
import type { Probe, Recorder } from './probe.ts'

/** Measures `nap`. */
export class NapProbe implements Probe {
  run(record: Recorder): void {
    const startNs = monotonicNs()
    sleepNs(STAND_BACK_NS)
    record('nap', monotonicNs() - startNs)
  }

  close(): void {}
}
