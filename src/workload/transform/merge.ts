/** Several traces of one memory as one. */
import { LazyRestoreError } from '../../core/error.ts'
import { allocateColumns } from '../columns.ts'
import { MAX_VCPUS, type Workload } from '../workload.ts'

/** Beside each other, each with vCPUs of its own; or one after the other, vCPU by vCPU. */
export type MergeMode = 'beside' | 'after'

/** @throws LazyRestoreError `mismatch` for traces of different memories, `limit` for too many vCPUs */
export function mergeWorkloads(workloads: readonly Workload[], mode: MergeMode): Workload {
  const [first, ...rest] = workloads
  for (const other of rest) checkSameMemory(first, other)
  const lists = mode === 'beside' ? workloads.flatMap(vcpusOf) : afterEachOther(workloads)
  if (lists.length > MAX_VCPUS) {
    throw new LazyRestoreError('limit', `merge: found ${lists.length} vCPUs, expected at most ${MAX_VCPUS}`)
  }
  const columns = allocateColumns(
    'merge',
    lists.map(parts => parts.reduce((sum, { from, to }) => sum + to - from, 0)),
  )
  for (const [vcpu, parts] of lists.entries()) {
    let at = columns.starts[vcpu]
    for (const { workload, from, to } of parts) {
      columns.page.set(workload.page.subarray(from, to), at)
      columns.thinkNs.set(workload.thinkNs.subarray(from, to), at)
      columns.flags.set(workload.flags.subarray(from, to), at)
      at += to - from
    }
  }
  const snapshotIdentity = workloads.find(one => one.snapshotIdentity !== null)?.snapshotIdentity ?? null
  const name = workloads.map(one => one.name).join(mode === 'beside' ? ' beside ' : ', then ')
  return { ...first, name: name.slice(0, 4096), seed: null, snapshotIdentity, vcpus: lists.length, ...columns }
}

/** Accesses [from, to) of a workload. */
interface Part {
  readonly workload: Workload
  readonly from: number
  readonly to: number
}

function vcpusOf(workload: Workload): Part[][] {
  const { starts, vcpus } = workload
  return Array.from({ length: vcpus }, (_, vcpu) => [{ workload, from: starts[vcpu], to: starts[vcpu + 1] }])
}

function afterEachOther(workloads: readonly Workload[]): Part[][] {
  const vcpus = Math.max(...workloads.map(one => one.vcpus))
  return Array.from({ length: vcpus }, (_, vcpu) => workloads.flatMap(one => vcpusOf(one)[vcpu] ?? []))
}

function checkSameMemory(a: Workload, b: Workload): void {
  for (const field of ['pageSize', 'pageCount', 'snapshotIdentity'] as const) {
    const [expected, found] = [a[field], b[field]]
    if (found === null || expected === null || found === expected) continue
    throw new LazyRestoreError('mismatch', `${b.name}: ${field}: found ${found}, expected ${expected}, as ${a.name}`)
  }
}
