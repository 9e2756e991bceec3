/**
 * What all generators share: the options that every workload has, the columns' allocation, and the pass that draws think
 * times and writes once the pages are known.
 */
import { LazyRestoreError } from '../core/error.ts'
import { option } from '../core/spec-string.ts'
import { checkMemory, type WorkloadMemory } from './memory.ts'
import { createStream, type RandomStream, unit } from './random-stream.ts'
import { ACCESS_WRITE, MAX_ACCESSES, MAX_THINK_NS, MAX_VCPUS, type Workload } from './workload.ts'

export type Columns = Pick<Workload, 'starts' | 'page' | 'thinkNs' | 'flags'>

/** Defaults of the options that every workload has. */
interface AccessDefaults {
  readonly think: number
  readonly jitter: number
  readonly write: number
  readonly vcpus: number
}

export function accessOptions({ think, jitter, write, vcpus }: AccessDefaults) {
  return {
    think: option('durationNs', think, 'computation before each access, on the mean'),
    jitter: option('share', jitter, 'think times are uniform in think ± this share of it'),
    write: option('share', write, 'share of the accesses that write'),
    vcpus: option('count', vcpus, `virtual CPUs, at most ${MAX_VCPUS}`, 1),
  }
}

/** Checks what all generators are given. Called first by each. */
export function checkRequest(name: string, { think, jitter, vcpus }: AccessDefaults, memory: WorkloadMemory): void {
  checkMemory(memory)
  if (vcpus > MAX_VCPUS) {
    throw new LazyRestoreError('limit', `${name}: option vcpus: found ${vcpus}, expected at most ${MAX_VCPUS}`)
  }
  checkThink(name, 'think', think, jitter)
}

/** Refuses a time that, with its jitter, does not fit the 32 bits of the thinkNs column. */
export function checkThink(name: string, key: string, ns: number, jitter: number): void {
  const max = Math.floor(MAX_THINK_NS / (1 + jitter))
  if (ns > max) {
    throw new LazyRestoreError('limit', `${name}: option ${key}: found ${ns} ns, expected at most ${max} ns`)
  }
}

/** `total` in `parts` that differ by at most 1. */
export function evenParts(total: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, i) => Math.floor(total / parts) + (i < total % parts ? 1 : 0))
}

/** Columns of zeros for so many accesses of each vCPU. @throws LazyRestoreError `limit` */
export function allocateColumns(
  name: string,
  accessesPerVcpu: readonly number[],
  { maxAccesses = MAX_ACCESSES }: Pick<WorkloadMemory, 'maxAccesses'> = {},
): Columns {
  const total = accessesPerVcpu.reduce((sum, count) => sum + count, 0)
  if (!(total <= maxAccesses)) {
    throw new LazyRestoreError('limit', `${name}: found ${total} accesses, expected at most ${maxAccesses}`)
  }
  const starts = new Uint32Array(accessesPerVcpu.length + 1)
  for (const [vcpu, count] of accessesPerVcpu.entries()) starts[vcpu + 1] = starts[vcpu] + count
  try {
    return { starts, page: new Uint32Array(total), thinkNs: new Uint32Array(total), flags: new Uint8Array(total) }
  } catch (cause) {
    const message = `${name}: found no memory for ${total} accesses, expected ${total * 9} bytes`
    throw new LazyRestoreError('limit', message, { cause })
  }
}

/** Draws think time and kind of every access. Always two draws an access, so that no option shifts another's. */
export function drawTimesAndWrites(columns: Columns, { think, jitter, write }: AccessDefaults, seed: number): void {
  const { starts, thinkNs, flags } = columns
  const lowNs = Math.round(think * (1 - jitter))
  const spanNs = Math.round(think * (1 + jitter)) - lowNs + 1
  const writeBelow = write * 2 ** 32
  for (let vcpu = 0; vcpu + 1 < starts.length; vcpu++) {
    const stream = createStream(seed, 'times', vcpu)
    for (let i = starts[vcpu]; i < starts[vcpu + 1]; i++) {
      thinkNs[i] = lowNs + Math.floor(((stream.next() >>> 0) / 2 ** 32) * spanNs)
      flags[i] = stream.next() >>> 0 < writeBelow ? ACCESS_WRITE : 0
    }
  }
}

/** A time uniform in `ns` ± the share `jitter` of it. */
export function drawJitteredNs(stream: RandomStream, ns: number, jitter: number): number {
  return Math.round(ns * (1 + jitter * (2 * unit(stream) - 1)))
}

/** Puts name and memory to the columns. */
export function toWorkload(name: string, memory: WorkloadMemory, seed: number, columns: Columns): Workload {
  const { pageCount, pageSize, snapshotIdentity } = memory
  return { name, seed, snapshotIdentity, pageCount, pageSize, vcpus: columns.starts.length - 1, ...columns }
}
