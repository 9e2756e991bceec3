/**
 * userfaultfd as the resolver loop sees it: what `Userfaultfd` (the real one) and the model kernel both are. Methods are
 * named after the ioctls of ioctl_userfaultfd(2); outcomes keep apart what a handler must treat differently.
 *
 * Nothing is allocated per call: an outcome is one of five words, and the numbers behind it stay readable on the object
 * until the next call. Addresses and lengths are plain numbers (user addresses are below 2^47).
 */

export type Outcome =
  /** All of it. */
  | 'done'
  /** `bytesDone` of it, more than none; go on behind them to learn why it stopped (EAGAIN with a positive field). */
  | 'partial'
  /** None of it: an event is outstanding (EAGAIN with -EAGAIN in the field); the same call may go through later. */
  | 'retry'
  /** A page is there already. On hugetlb also: the pool is empty (kernels from 6.18 or before on). Wakes nobody. */
  | 'exists'
  /** `errno` says why. */
  | 'failed'

/** Room for messages that `read` fills, one entry a message in each column. */
export interface MessageBuffer {
  readonly capacity: number
  /** UFFD_EVENT_*: 0x12 page fault, 0x13 fork, 0x14 remap, 0x15 remove, 0x16 unmap. */
  readonly event: Uint8Array
  /** Page fault: UFFD_PAGEFAULT_FLAG_*. */
  readonly flags: Uint32Array
  /** Page fault: the address; remap: from; remove, unmap: start. */
  readonly address: Float64Array
  /** Remap: to; remove, unmap: end, exclusive. */
  readonly end: Float64Array
  /** Remap: length. Fork: the child's descriptor. */
  readonly extra: Float64Array
  /** Page fault: thread id, 0 unless the feature was asked for. */
  readonly threadId: Uint32Array
}

export interface FaultChannel {
  /** Bytes that the last range operation did. */
  readonly bytesDone: number
  /** errno of the last call that was not 'done'; 0 after one that was. */
  readonly errno: number
  /** What the kernel offered at the last `api` that was 'done'. */
  readonly features: number
  /** Bits of the ioctls that the last `register` that was 'done' offers for its range: 1 << nr. */
  readonly ioctls: number

  api(features: number): Outcome
  register(start: number, length: number, mode: number): Outcome
  unregister(start: number, length: number): Outcome
  copy(destination: number, source: number, length: number, mode: number): Outcome
  zeropage(start: number, length: number, mode: number): Outcome
  continue(start: number, length: number, mode: number): Outcome
  move(destination: number, source: number, length: number, mode: number): Outcome
  poison(start: number, length: number, mode: number): Outcome
  writeprotect(start: number, length: number, mode: number): Outcome
  wake(start: number, length: number): Outcome
  /** Waits until a message can be read, at most `timeoutMs`; false when none came. */
  poll(timeoutMs: number): boolean
  /** Reads the messages that are there, at most `into.capacity`; their number, 0 when there are none. */
  read(into: MessageBuffer): number
  close(): void
}
