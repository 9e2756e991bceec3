/**
 * Reads a trace of another tool: finds the format, places each fault in the snapshot's memory, and makes a workload of it. The
 * lines stream through; what is kept is 15 bytes a fault. The name of the result says what its times are.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { withRoom } from '../../core/growable.ts'
import { MAX_LINE_BYTES } from '../../core/lines.ts'
import { parseSpec, resolveOptions } from '../../core/spec-string.ts'
import type { ByteSource } from '../../snapshot/byte-source.ts'
import type { Snapshot } from '../../snapshot/snapshot.ts'
import { allocateColumns } from '../columns.ts'
import { type FaultTimes, parseFaultTimes } from '../fault-times.ts'
import { memoryOfSnapshot } from '../memory.ts'
import { ACCESS_WRITE, MAX_ACCESSES, MAX_THINK_NS, MAX_VCPUS, type Workload } from '../workload.ts'
import { type AddressMap, addressMap } from './address-map.ts'
import type { FaultSink, FoundFault, Importer } from './importer.ts'
import { IMPORTERS } from './registry.ts'

export interface ImportRequest {
  readonly snapshot: Snapshot
  /** As written: name, or name:option=value,…; null: found by the file's content. */
  readonly format: string | null
  /** As `addressMap` takes it. */
  readonly addresses: string
  /** When faults come that have no time, as `parseFaultTimes` takes it. */
  readonly faultTimes: string
}

export interface ImportedTrace {
  readonly workload: Workload
  readonly format: string
  /** Faults that lie outside of the memory. */
  readonly outside: number
  /** What a reader must know of the times. */
  readonly notes: readonly string[]
}

/** @throws LazyRestoreError `usage`, or `format` with the file and line that is wrong */
export async function importTrace(source: ByteSource, request: ImportRequest): Promise<ImportedTrace> {
  const spec = request.format === null ? null : parseSpec(request.format)
  const importer = spec === null ? await detect(source) : IMPORTERS.find(({ name }) => name === spec.name)
  if (importer === undefined || (spec !== null && spec.positional !== null)) {
    const known = IMPORTERS.map(({ name }) => name).join(', ')
    throw new LazyRestoreError(
      'usage',
      `format: found "${request.format}", expected one of ${known}, with key=value options`,
    )
  }
  const options = resolveOptions(spec ?? { name: importer.name, options: {}, positional: null }, importer.options)
  const times = parseFaultTimes(request.faultTimes)
  const collector = new FaultCollector(addressMap(request.addresses, request.snapshot))
  await importer.read(source, collector, options)
  return collector.finish(importer, source.name, request.snapshot, times)
}

async function detect(source: ByteSource): Promise<Importer> {
  const head = Buffer.alloc(Math.min(MAX_LINE_BYTES, source.byteLength))
  await source.read(0, head)
  const text = head.toString('latin1')
  const found = IMPORTERS.find(importer => importer.detect(text))
  if (found !== undefined) return found
  const known = IMPORTERS.map(({ name }) => name).join(', ')
  throw new LazyRestoreError('format', `${source.name}: found none of the formats ${known}; name it with --format`)
}

/** Columns of the faults in the order of the file. */
class FaultCollector implements FaultSink {
  readonly #map: AddressMap
  readonly #vcpus = new Map<string, number>()
  #page = new Uint32Array(0)
  #timeNs = new Float64Array(0)
  #write = new Uint8Array(0)
  #vcpu = new Uint16Array(0)
  #length = 0
  #timed = 0
  #outside = 0

  constructor(map: AddressMap) {
    this.#map = map
  }

  add({ block, address, timeNs, write, who }: FoundFault, where: string): void {
    const page = this.#map.pageOf(block, address)
    if (page < 0) {
      this.#outside++
      return
    }
    const at = this.#length++
    if (this.#length > MAX_ACCESSES) {
      throw new LazyRestoreError('limit', `${where}: found more than ${MAX_ACCESSES} faults`)
    }
    this.#page = withRoom(this.#page, this.#length)
    this.#timeNs = withRoom(this.#timeNs, this.#length)
    this.#write = withRoom(this.#write, this.#length)
    this.#vcpu = withRoom(this.#vcpu, this.#length)
    this.#page[at] = page
    this.#timeNs[at] = timeNs ?? 0
    if (timeNs !== null) this.#timed++
    this.#write[at] = write ? 1 : 0
    this.#vcpu[at] = this.#vcpuOf(who, where)
  }

  #vcpuOf(who: string, where: string): number {
    const known = this.#vcpus.get(who)
    if (known !== undefined) return known
    const vcpu = this.#vcpus.size
    if (vcpu === MAX_VCPUS) {
      throw new LazyRestoreError('limit', `${where}: found a fault of ${who}, after ${MAX_VCPUS} others`)
    }
    this.#vcpus.set(who, vcpu)
    return vcpu
  }

  finish(importer: Importer, file: string, snapshot: Snapshot, times: FaultTimes): ImportedTrace {
    const count = this.#length
    if (count === 0) {
      const found = this.#outside === 0 ? 'no fault' : `${this.#outside} faults, all outside of the memory`
      throw new LazyRestoreError('format', `${file}: found ${found}, expected some of format ${importer.name}`)
    }
    if (this.#timed > 0 && this.#timed < count) {
      throw new LazyRestoreError(
        'format',
        `${file}: found ${this.#timed} of ${count} faults with a time, expected all or none`,
      )
    }
    const notes: string[] = []
    const timed = this.#timed > 0
    // Without times, who faulted says nothing of when: one vCPU keeps the order.
    const vcpus = timed ? this.#vcpus.size : 1
    const perVcpu = new Array<number>(vcpus).fill(0)
    for (let i = 0; i < count; i++) perVcpu[timed ? this.#vcpu[i] : 0]++
    const columns = allocateColumns(file, perVcpu)
    const next = columns.starts.slice()
    const startNs = this.#timeNs[0]
    const lastNs = new Float64Array(vcpus).fill(timed ? startNs : 0)
    const odd = { backwards: 0, long: 0 }
    for (let i = 0; i < count; i++) {
      const vcpu = timed ? this.#vcpu[i] : 0
      const timeNs = timed ? this.#timeNs[i] : times.timeNs(i, count)
      const thinkNs = Math.round(timeNs - lastNs[vcpu])
      if (thinkNs < 0) odd.backwards++
      if (thinkNs > MAX_THINK_NS) odd.long++
      lastNs[vcpu] = Math.max(lastNs[vcpu], timeNs)
      const to = next[vcpu]++
      columns.page[to] = this.#page[i]
      columns.thinkNs[to] = Math.min(MAX_THINK_NS, Math.max(0, thinkNs))
      columns.flags[to] = this.#write[i] === 1 ? ACCESS_WRITE : 0
    }
    if (!timed)
      notes.push(
        `The times are a model's, ${times.name}: the file has ${importer.has === 'set' ? 'neither order nor times; pages come by address' : 'the order only'}.`,
      )
    if (odd.backwards > 0)
      notes.push(`${odd.backwards} faults stand before an earlier one of their thread; they follow it at once.`)
    if (odd.long > 0) notes.push(`${odd.long} times of more than ${MAX_THINK_NS} ns before a fault are cut to that.`)
    const order = importer.has === 'set' ? ', by address' : ''
    const name = timed ? `${importer.name}: ${file}` : `${importer.name}: ${file}${order}, fault times ${times.name}`
    const { pageCount, pageSize, snapshotIdentity } = memoryOfSnapshot(snapshot)
    const workload = { name, seed: null, snapshotIdentity, pageCount, pageSize, vcpus, ...columns }
    return { workload, format: importer.name, outside: this.#outside, notes }
  }
}
