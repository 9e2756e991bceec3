/**
 * Trace files on disk. The format is found by content when read, and by the path's ending when written: `.ndjson` and
 * `.jsonl` are for people, all else is the binary format. A file appears whole or not at all.
 */
import { randomBytes } from 'node:crypto'
import { open, rename, rm, writeFile } from 'node:fs/promises'
import { LazyRestoreError } from '../core/error.ts'
import type { ByteSource } from '../snapshot/byte-source.ts'
import { openFile } from '../snapshot/file-source.ts'
import { checkWorkload } from './check.ts'
import { decodeBinaryTrace, encodeBinaryTrace, TRACE_MAGIC } from './trace-binary.ts'
import { decodeNdjsonTrace, encodeNdjsonTrace } from './trace-ndjson.ts'
import type { Workload } from './workload.ts'

export type TraceFormat = 'binary' | 'ndjson'

/** `{` */
const NDJSON_START = 0x7b

/** Reads a trace file of either format. @throws LazyRestoreError `io`, or `format` with the place that is wrong */
export async function readTrace(path: string): Promise<Workload> {
  const file = await openFile(path, 'a trace file')
  try {
    return await decodeTrace(file)
  } finally {
    await file.close()
  }
}

/** Whether a file begins as a trace does, of either format. @throws LazyRestoreError `io` */
export async function beginsAsTrace(path: string): Promise<boolean> {
  const file = await openFile(path, 'a trace file')
  try {
    const head = await headOf(file)
    return head.equals(TRACE_MAGIC) || head[0] === NDJSON_START
  } finally {
    await file.close()
  }
}

/** Reads a trace of either format from any source of bytes. */
export async function decodeTrace(source: ByteSource): Promise<Workload> {
  const head = await headOf(source)
  if (head[0] === TRACE_MAGIC[0]) return decodeBinaryTrace(source)
  if (head[0] === NDJSON_START) return decodeNdjsonTrace(source)
  const found = head.length === 0 ? 'an empty file' : head.toString('hex')
  throw new LazyRestoreError(
    'format',
    `${source.name}: 0x0: found ${found}, expected ${TRACE_MAGIC.toString('hex')} of a binary trace or "{" of NDJSON`,
  )
}

async function headOf(source: ByteSource): Promise<Buffer> {
  const head = Buffer.alloc(Math.min(TRACE_MAGIC.length, source.byteLength))
  await source.read(0, head)
  return head
}

/** Writes a trace file: next to `path`, then renamed, so that a reader never sees a part of it. */
export async function writeTrace(path: string, workload: Workload, format = formatOf(path)): Promise<void> {
  checkWorkload(workload, `workload ${workload.name}`)
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const handle = await open(temporary, 'wx').catch(cause => {
    throw ioError(temporary, 'created', cause)
  })
  try {
    try {
      await writeFile(handle, format === 'binary' ? encodeBinaryTrace(workload) : encodeNdjsonTrace(workload))
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true })
    if (cause instanceof LazyRestoreError) throw cause
    throw ioError(path, 'written', cause)
  }
}

/** The format that a path's ending asks for. */
export function formatOf(path: string): TraceFormat {
  return /\.(ndjson|jsonl)$/i.test(path) ? 'ndjson' : 'binary'
}

function ioError(path: string, done: string, cause: unknown): LazyRestoreError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new LazyRestoreError('io', `${path}: could not be ${done}: ${reason}`, { cause })
}
