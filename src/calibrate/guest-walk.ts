/** A KVM guest of one vCPU that reads pages, run to its end on the calling thread, and what each read took by its own clock. */
import { LazyRestoreError } from '../core/error.ts'
import { createSharedRestore, PHASE_RUN, RestoreState } from '../uffd/engine/restore-state.ts'
import { Guest } from '../uffd/kvm/guest.ts'
import { writeAccesses } from '../uffd/kvm/guest-lists.ts'
import type { HostMemory } from '../uffd/kvm/guest-map.ts'
import { runGuestVcpu } from '../uffd/kvm/run-vcpu.ts'

/** For the guest to be let run: it is before it starts. */
const START_LIMIT_MS = 5000

/**
 * The thread keeps the signals blocked that interrupt a vCPU.
 * @param pages of 4 KiB, in order; `thinkNs` before each
 * @returns ns of each read
 * @throws LazyRestoreError `unsupported` or `io` when no guest runs here
 */
export function walkGuest(memory: HostMemory, pages: Uint32Array, thinkNs: Uint32Array): Float64Array {
  const count = pages.length
  const guest = new Guest([memory], [count])
  try {
    const reads = { page: pages, thinkNs, flags: new Uint8Array(count) }
    writeAccesses(guest.list(0), reads, 0, count, page => guest.addressOf(0, page * 4096))
    const shared = createSharedRestore(1, 0, 0)
    new RestoreState(shared).enter(PHASE_RUN)
    const job = { guest: guest.job(0, 'walk'), shared, limitMs: START_LIMIT_MS }
    const { outcome, failure, times } = runGuestVcpu(job, () => {})
    if (outcome === 'done' && times !== null) return times.latencyNs
    throw new LazyRestoreError('io', `calibrate: guest: found it ${outcome} (${failure}), expected it done`)
  } finally {
    guest.close()
  }
}
