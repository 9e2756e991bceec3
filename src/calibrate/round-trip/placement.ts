/** Puts the threads of the round trips on the CPUs that a block asks for. */
import { allowedCpus, pinTo, runOn } from '../../uffd/cpu-affinity.ts'
import { isLocal, kindOf, type RoundTripJob } from './schedule.ts'

/**
 * Binds the calling thread for a block.
 * @param role index in `cpus` of the thread's own CPU: 0 touches, 1 answers
 */
export function placeThread(job: RoundTripJob, block: number, role: 0 | 1): void {
  const { cpus } = job
  if (cpus === null) return
  pinTo(cpus[isLocal(kindOf(job, block)) ? 0 : role])
}

/** The calling thread may run anywhere from now on. */
export function letMove(): void {
  runOn(allowedCpus())
}
