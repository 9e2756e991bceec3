/**
 * The trace for people and scripts: NDJSON, a header object on the first line and one access on each line after it.
 * Accesses of one vCPU stand in order; those of different vCPUs may be mixed. docs/workloads.md specifies it.
 *
 *   {"format":"lazyrestore-trace","version":1,"name":"…","seed":1,"snapshotIdentity":null,"pageCount":…,"pageSize":4096,"vcpus":1,"accesses":2}
 *   {"vcpu":0,"page":17,"thinkNs":2000}
 *   {"vcpu":0,"page":18,"thinkNs":50000000,"write":true,"idle":true}
 */
import { LazyRestoreError } from '../core/error.ts'
import { describe, expectFields, isWhole } from '../core/fields.ts'
import { forEachLine } from '../core/lines.ts'
import type { ByteSource } from '../snapshot/byte-source.ts'
import { allocateColumns, type Columns } from './columns.ts'
import { headerOf, parseHeader, TRACE_VERSION, type TraceHeader } from './trace-header.ts'
import { ACCESS_IDLE, ACCESS_WRITE, MAX_THINK_NS, type Workload } from './workload.ts'

const FORMAT = 'lazyrestore-trace'
const BATCH_ACCESSES = 4096
/** The shortest line of an access, without its line end. */
const MIN_LINE_BYTES = '{"vcpu":0,"page":0,"thinkNs":0}'.length

const ACCESS_KEYS = ['vcpu', 'page', 'thinkNs', 'write', 'idle']

/** The file, some thousand lines at a time. */
export function* encodeNdjsonTrace(workload: Workload): Generator<Uint8Array> {
  const { starts, page, thinkNs, flags, vcpus } = workload
  yield Buffer.from(`${JSON.stringify({ format: FORMAT, version: TRACE_VERSION, ...headerOf(workload) })}\n`)
  let batch = ''
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    for (let i = starts[vcpu]; i < starts[vcpu + 1]; i++) {
      const write = (flags[i] & ACCESS_WRITE) === 0 ? '' : ',"write":true'
      const idle = (flags[i] & ACCESS_IDLE) === 0 ? '' : ',"idle":true'
      batch += `{"vcpu":${vcpu},"page":${page[i]},"thinkNs":${thinkNs[i]}${write}${idle}}\n`
      if ((i + 1) % BATCH_ACCESSES !== 0) continue
      yield Buffer.from(batch)
      batch = ''
    }
  }
  if (batch !== '') yield Buffer.from(batch)
}

/** Reads the whole trace. @throws LazyRestoreError `format` with the line that is wrong */
export async function decodeNdjsonTrace(source: ByteSource): Promise<Workload> {
  let builder: Builder | null = null
  let lines = 0
  await forEachLine(source, (text, line) => {
    lines = line
    if (builder === null) builder = new Builder(source, readHeader(source, text), Buffer.byteLength(text, 'latin1'))
    else builder.add(text, line)
  })
  // The callback assigns, which the compiler does not follow.
  const finished = builder as Builder | null
  if (finished === null)
    throw new LazyRestoreError('format', `${source.name}: line 1: found nothing, expected a header`)
  return finished.finish(lines)
}

function readHeader(source: ByteSource, latin1: string): TraceHeader {
  const where = `${source.name}: line 1`
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(latin1, 'latin1'))
  } catch (cause) {
    throw new LazyRestoreError('format', `${where}: found bytes that are no UTF-8, expected a header`, { cause })
  }
  const { format, version, ...fields } = expectFields(parseJson(text, where), where)
  if (format !== FORMAT) {
    throw new LazyRestoreError('format', `${where}: field format: found ${describe(format)}, expected "${FORMAT}"`)
  }
  if (version !== TRACE_VERSION) {
    throw new LazyRestoreError(
      'unsupported',
      `${where}: field version: found ${describe(version)}, expected ${TRACE_VERSION}`,
    )
  }
  return parseHeader(fields, where)
}

/** Collects accesses in the order of the file, and groups them by vCPU at the end. */
class Builder {
  readonly #name: string
  readonly #header: TraceHeader
  readonly #columns: Columns
  readonly #vcpu: Uint16Array
  readonly #perVcpu: number[]
  /** No access so far is of a lower vCPU than the one before it. */
  #grouped = true
  #length = 0

  constructor({ name, byteLength }: ByteSource, header: TraceHeader, headerBytes: number) {
    const { accesses, vcpus } = header
    const least = accesses * (1 + MIN_LINE_BYTES)
    if (least > byteLength - headerBytes) {
      const found = `found ${byteLength - headerBytes} bytes behind the header`
      throw new LazyRestoreError(
        'format',
        `${name}: line 1: ${found}, expected at least ${least} for ${accesses} accesses`,
      )
    }
    this.#name = name
    this.#header = header
    this.#columns = allocateColumns(name, [accesses])
    this.#vcpu = new Uint16Array(accesses)
    this.#perVcpu = new Array<number>(vcpus).fill(0)
  }

  add(text: string, line: number): void {
    const where = `${this.#name}: line ${line}`
    const { accesses, vcpus, pageCount } = this.#header
    if (this.#length === accesses) {
      throw new LazyRestoreError('format', `${where}: found a further line, expected ${accesses} accesses`)
    }
    const access = expectFields(parseJson(text, where), where)
    for (const key in access) if (!ACCESS_KEYS.includes(key)) refuseKey(where, key)
    const vcpu = expectNumber(access.vcpu, vcpus - 1, 'vcpu', where)
    const i = this.#length++
    this.#columns.page[i] = expectNumber(access.page, pageCount - 1, 'page', where)
    this.#columns.thinkNs[i] = expectNumber(access.thinkNs, MAX_THINK_NS, 'thinkNs', where)
    this.#columns.flags[i] =
      (expectFlag(access.write, 'write', where) ? ACCESS_WRITE : 0) |
      (expectFlag(access.idle, 'idle', where) ? ACCESS_IDLE : 0)
    if (i > 0 && vcpu < this.#vcpu[i - 1]) this.#grouped = false
    this.#vcpu[i] = vcpu
    this.#perVcpu[vcpu]++
  }

  finish(lines: number): Workload {
    const { accesses, ...header } = this.#header
    if (this.#length < accesses) {
      const found = `found the end after ${this.#length} accesses`
      throw new LazyRestoreError('format', `${this.#name}: line ${lines}: ${found}, expected ${accesses}`)
    }
    return { ...header, ...this.#group() }
  }

  /** The columns with each vCPU's accesses together, in order. */
  #group(): Columns {
    const starts = new Uint32Array(this.#perVcpu.length + 1)
    for (const [vcpu, count] of this.#perVcpu.entries()) starts[vcpu + 1] = starts[vcpu] + count
    if (this.#grouped) return { ...this.#columns, starts }
    const grouped = allocateColumns(this.#name, this.#perVcpu)
    const next = starts.slice()
    for (let i = 0; i < this.#length; i++) {
      const to = next[this.#vcpu[i]]++
      grouped.page[to] = this.#columns.page[i]
      grouped.thinkNs[to] = this.#columns.thinkNs[i]
      grouped.flags[to] = this.#columns.flags[i]
    }
    return grouped
  }
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new LazyRestoreError('format', `${where}: found ${describe(text)}, expected a JSON object`, { cause })
  }
}

function expectNumber(value: unknown, max: number, field: string, where: string): number {
  if (isWhole(value, 0, max)) return value
  const found = value === undefined ? 'nothing' : describe(value)
  throw new LazyRestoreError(
    'format',
    `${where}: field ${field}: found ${found}, expected a whole number from 0 to ${max}`,
  )
}

function expectFlag(value: unknown, field: string, where: string): boolean {
  if (value === undefined || value === false) return false
  if (value === true) return true
  throw new LazyRestoreError('format', `${where}: field ${field}: found ${describe(value)}, expected true or false`)
}

function refuseKey(where: string, key: string): never {
  throw new LazyRestoreError(
    'format',
    `${where}: found field ${describe(key)}, expected only ${ACCESS_KEYS.join(', ')}`,
  )
}
