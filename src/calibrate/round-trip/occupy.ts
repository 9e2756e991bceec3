/** The third thread: computes, where the handler wakes, while a block wants that. See schedule.ts. */
import { pinTo } from '../../uffd/cpu-affinity.ts'
import { computeFor } from '../compute.ts'
import { ENDED, OCCUPIED, type RoundTripJob } from './schedule.ts'

/** Between two looks at what is wanted. */
const COMPUTE_NS = 20_000
const WAIT_MS = 100

export function occupy({ cpus, control }: RoundTripJob): void {
  if (cpus === null) return
  pinTo(cpus[1])
  while (Atomics.load(control, ENDED) === 0) {
    if (Atomics.load(control, OCCUPIED) === 0) {
      Atomics.wait(control, OCCUPIED, 0, WAIT_MS)
      continue
    }
    computeFor(COMPUTE_NS)
  }
}
