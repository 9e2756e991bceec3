/**
 * What a test can make the model kernel do that a real one does rarely or only under load. Everything is counted, nothing is
 * random, so that a resolver loop that survives it once survives it always. Counts are for each userfaultfd, but for pages.
 *
 * What needs no injection: REMOVE and what comes after it (`ModelProcess.madvise`), a message that was resolved by another
 * handler (a second channel), the death of a handler (`close`). A read error is the file's, not the kernel's.
 */
import { LazyRestoreError } from '../../core/error.ts'

export interface Injection {
  /** Range operations that still answer EAGAIN after an event was read, before the thread that caused it runs again. */
  readonly retriesAfterEvent: number
  /** Pages of each pool of huge pages. When it is empty COPY answers as the profile says, and a plain fault is SIGBUS. */
  readonly hugePages: number
  /** Small pages that COPY, and ZEROPAGE of shmem, can take before they answer ENOMEM. */
  readonly smallPages: number
  /** Pages after which every range operation stops as a partial success; 0: never. */
  readonly pagesPerCall: number
  /** Pages that somebody else installs, the same bytes and without a wake, just before COPY, ZEROPAGE or CONTINUE would: EEXIST. */
  readonly races: number
  /** COPY calls during which the area is replaced by one that is alike; a kernel that looks answers EAGAIN, with no event to be read. */
  readonly replacedAreas: number
  /** Reads that are each followed by a signal to the longest-sleeping thread: it faults again, with a new message. */
  readonly disturbances: number
  /** Reads that find nothing although `poll` said otherwise: the faulting thread left in between. */
  readonly emptyReads: number
  /** Polls that a signal ends (EINTR), whether there is a message or not. */
  readonly interruptedPolls: number
}

export const NO_INJECTION: Injection = {
  retriesAfterEvent: 0,
  hugePages: 1 << 20,
  smallPages: 2 ** 40,
  pagesPerCall: 0,
  races: 0,
  replacedAreas: 0,
  disturbances: 0,
  emptyReads: 0,
  interruptedPolls: 0,
}

/** @throws LazyRestoreError `usage` for what is not a count */
export function resolveInjection(options: Partial<Injection>): Injection {
  const injection = { ...NO_INJECTION, ...options }
  for (const [name, value] of Object.entries(injection)) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new LazyRestoreError('usage', `injection ${name}: found ${value}, expected a whole number`)
    }
  }
  return injection
}
