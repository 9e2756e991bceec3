/** Whether a workload is whole in itself, and whether it belongs to the snapshot that it is to be run on. */
import { LazyRestoreError } from '../core/error.ts'
import { isPageSize } from './memory.ts'
import { MAX_ACCESSES, MAX_PAGES, MAX_VCPUS, type Workload } from './workload.ts'

/** The snapshot that a workload is to be run on. */
export interface WorkloadTarget {
  /** What to call it in the message. */
  readonly name: string
  readonly identity: string
  /** Target pages over all restored blocks. */
  readonly pageCount: number
  readonly pageSize: number
}

/**
 * Checks every column against the header; `where` names the workload or its file.
 * @throws LazyRestoreError `format`
 */
export function checkWorkload(workload: Workload, where: string): void {
  const { pageCount, pageSize, vcpus, starts, page, thinkNs, flags } = workload
  const accesses = page.length
  expectRange(where, 'pageCount', pageCount, 1, MAX_PAGES)
  expectRange(where, 'vcpus', vcpus, 1, MAX_VCPUS)
  expectRange(where, 'accesses', accesses, 0, MAX_ACCESSES)
  if (!isPageSize(pageSize)) refuse(where, `pageSize: found ${pageSize}, expected a power of two`)
  for (const [name, column] of Object.entries({ thinkNs, flags })) {
    if (column.length !== accesses) refuse(where, `${name}: found ${column.length} entries, expected ${accesses}`)
  }
  if (starts.length !== vcpus + 1) refuse(where, `starts: found ${starts.length} entries, expected ${vcpus + 1}`)
  if (starts[0] !== 0) refuse(where, `starts[0]: found ${starts[0]}, expected 0`)
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    if (starts[vcpu + 1] < starts[vcpu]) {
      refuse(where, `starts[${vcpu + 1}]: found ${starts[vcpu + 1]}, expected at least ${starts[vcpu]}`)
    }
  }
  if (starts[vcpus] !== accesses) refuse(where, `starts[${vcpus}]: found ${starts[vcpus]}, expected ${accesses}`)
  for (let i = 0; i < accesses; i++) {
    if (page[i] >= pageCount) refuse(where, `access ${i}: found page ${page[i]}, expected 0..${pageCount - 1}`)
    if (flags[i] > 3) refuse(where, `access ${i}: found flags ${flags[i]}, expected 0..3`)
  }
}

/**
 * Checks that the workload is for this snapshot: same size, and the same identity where it carries one.
 * @throws LazyRestoreError `mismatch`
 */
export function checkWorkloadFits(workload: Workload, target: WorkloadTarget): void {
  const { name, pageCount, pageSize, snapshotIdentity } = workload
  if (pageSize !== target.pageSize) {
    throw new LazyRestoreError(
      'mismatch',
      `workload ${name}: found pages of ${pageSize} bytes, expected ${target.pageSize} as in snapshot ${target.name}`,
    )
  }
  if (pageCount !== target.pageCount) {
    throw new LazyRestoreError(
      'mismatch',
      `workload ${name}: found a memory of ${pageCount} pages, expected ${target.pageCount} as in snapshot ${target.name}`,
    )
  }
  if (snapshotIdentity !== null && snapshotIdentity !== target.identity) {
    throw new LazyRestoreError(
      'mismatch',
      `workload ${name}: found snapshot identity ${snapshotIdentity}, expected ${target.identity} of snapshot ${target.name}`,
    )
  }
}

function expectRange(where: string, field: string, value: number, min: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    refuse(where, `${field}: found ${value}, expected a whole number from ${min} to ${max}`)
  }
}

function refuse(where: string, what: string): never {
  throw new LazyRestoreError('format', `${where}: ${what}`)
}
