/** Puts the threads of the round trips on the CPUs that a block asks for. */
import { allowedCpus, pinTo, runOn } from '../../uffd/cpu-affinity.ts'
import { isFree, isLocal, kindOf, type RoundTripJob } from './schedule.ts'

/**
 * Places the calling thread for a block. The one that touches is bound, as the engine's vCPUs are (`boundToCpu`). The handler,
 * where the kernel may move it, starts on a CPU of its own, and goes on in the next such block where it is then.
 * @param role index in `cpus` of the thread's own CPU: 0 touches, 1 answers
 */
export function placeThread(job: RoundTripJob, block: number, role: 0 | 1): void {
  const { cpus } = job
  if (cpus === null) return
  const kind = kindOf(job, block)
  if (isFree(kind) && block > 0 && kindOf(job, block - 1) === kind) return
  pinTo(cpus[isLocal(kind) ? 0 : role])
  if (isFree(kind) && role === 1) letMove()
}

/** The calling thread may run anywhere from now on. */
export function letMove(): void {
  runOn(allowedCpus())
}
