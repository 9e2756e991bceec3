/** The two mechanisms that most policies vary: answer faults through userfaultfd, or load before the VM runs. */
import { option } from '../core/spec-string.ts'
import { MIB } from '../core/units.ts'
import type { Mechanism } from './policy.ts'

const DEFAULTS: Mechanism = {
  install: 'uffd',
  handlers: 1,
  workers: 0,
  direct: false,
  workingSetDirect: false,
  readBytes: MIB,
  workingSetReadBytes: MIB,
  planRuns: 1024,
  zeroBytes: MIB,
  yieldToFaults: false,
  rateBytesPerS: null,
}

/** Handlers or workers of one restore; each is a thread with buffers of its own in an engine that does it for real. */
export const MAX_THREADS = 1024

export const handlersOption = option('count', 1, 'threads that answer faults', 1, MAX_THREADS)
export const directOption = option('boolean', false, 'read past the page cache (O_DIRECT)')
export const yieldOption = option('boolean', false, 'the worker starts nothing while a fault waits')

/**
 * Memory registered with userfaultfd; one handler, no background worker unless said otherwise. A working-set file is read as
 * the snapshot is.
 */
export function uffdMechanism(difference: Partial<Mechanism>): Mechanism {
  return { ...DEFAULTS, workingSetDirect: difference.direct ?? false, ...difference }
}

/** Memory filled by read(2) before the VM runs: no handler, nothing in the background. */
export function loadMechanism(difference: Partial<Mechanism>): Mechanism {
  return { ...DEFAULTS, install: 'load', handlers: 0, ...difference }
}

/** Memory mapped from the file: the kernel resolves all faults; a worker, where there is one, reads into the page cache. */
export function mapMechanism(difference: Partial<Mechanism> = {}): Mechanism {
  return { ...DEFAULTS, install: 'map', handlers: 0, ...difference }
}
