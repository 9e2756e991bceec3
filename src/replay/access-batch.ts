/** What a replay is fed with: columns of accesses, those of all vCPUs together, checked as a whole before any is taken. */
import { LazyRestoreError } from '../core/error.ts'

/** Accesses in the order in which they come; of each vCPU's, one after the other. The first `length` entries count. */
export interface AccessBatch {
  readonly length: number
  /** Target page, dense over all restored blocks, as in a `Workload`. */
  readonly page: Uint32Array
  readonly vcpu: Uint16Array
  /** Time between the end of the vCPU's access before (or the resume) and this access, in ns. */
  readonly thinkNs: Uint32Array
  /** ACCESS_WRITE, ACCESS_IDLE. */
  readonly flags: Uint8Array
}

const ALL_FLAGS = 3

/**
 * @param pageCount target pages of the layout
 * @param ended by vCPU: 1 when it has ended
 * @throws LazyRestoreError `usage`; the message names the first access that is wrong
 */
export function checkBatch(batch: AccessBatch, pageCount: number, ended: Uint8Array): void {
  const { length, page, vcpu, thinkNs, flags } = batch
  const shortest = Math.min(page.length, vcpu.length, thinkNs.length, flags.length)
  if (!Number.isSafeInteger(length) || length < 0 || length > shortest) {
    throw new LazyRestoreError('usage', `accesses: found a length of ${length}, expected 0..${shortest} as the columns`)
  }
  for (let i = 0; i < length; i++) {
    if (page[i] >= pageCount) refuse(i, `page ${page[i]}`, `0..${pageCount - 1}`)
    if (vcpu[i] >= ended.length) refuse(i, `vCPU ${vcpu[i]}`, `0..${ended.length - 1}`)
    if (ended[vcpu[i]] === 1) refuse(i, `vCPU ${vcpu[i]}, which has ended`, 'one that has not')
    if (flags[i] > ALL_FLAGS) refuse(i, `flags ${flags[i]}`, `0..${ALL_FLAGS}`)
  }
}

function refuse(index: number, found: string, expected: string): never {
  throw new LazyRestoreError('usage', `access ${index}: found ${found}, expected ${expected}`)
}
