/** A replay can change its policy: memory, clock and everything under way stay, and from that instant on another one decides. */
import { LazyRestoreError } from '../core/error.ts'
import type { InstallMethod, Policy } from '../policy/policy.ts'

/** A policy that is in charge no longer, and what was known when another one took over: with that, a log can be run again. */
export interface PolicyStretch {
  /** As written. */
  readonly policy: string
  /** Accesses that had come, and vCPUs that had ended. */
  readonly accesses: number
  readonly ended: readonly number[]
}

/** Each change leaves carriers behind. */
export const MAX_CHANGES = 64

/**
 * The policy as it can work on memory that is there. Memory that is registered with userfaultfd stays so: a policy that loads
 * with plain reads then loads by install calls, and a thread answers the faults that come first. After a load nothing is
 * missing, and no policy has anything to do.
 * @throws LazyRestoreError `mismatch` where one of the two is a file mapping: memory cannot become one, or stop to be one
 */
export function onMemory(policy: Policy, memory: InstallMethod): Policy {
  const { mechanism, name } = policy
  if (mechanism.install === memory) return policy
  if (mechanism.install === 'map' || memory === 'map') {
    const found = memory === 'map' ? 'memory that is mapped from the file' : 'memory that is not mapped from the file'
    const expected = memory === 'map' ? 'a policy that maps it' : 'a policy that does not'
    throw new LazyRestoreError(
      'mismatch',
      `policy ${name}: found ${found}, expected ${expected}: a fork keeps memory as it is`,
    )
  }
  const handlers = memory === 'uffd' ? Math.max(1, mechanism.handlers) : 0
  return { ...policy, mechanism: { ...mechanism, install: memory, handlers } }
}
