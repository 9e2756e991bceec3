/** How long a worker sleeps that stands back for a fault: what it asked for, the kernel's timer slack, and the wake-up. */
import { sleepNs } from '../../uffd/engine/restore-state.ts'
import { STAND_BACK_NS } from '../../uffd/engine/worker.ts'
import type { Probe, Recorder } from './probe.ts'

/** Measures `nap`. */
export class NapProbe implements Probe {
  run(record: Recorder): void {
    const startMs = performance.now()
    sleepNs(STAND_BACK_NS)
    record('nap', (performance.now() - startMs) * 1e6)
  }

  close(): void {}
}
