/**
 * Trace files on disk. The format is found by content when read, and by the path's ending when written: `.ndjson` and
 * `.jsonl` are for people, all else is the binary format. A file appears whole or not at all.
 */
import { randomBytes } from 'node:crypto'
import { type FileHandle, open, rename, rm, writeFile } from 'node:fs/promises'
import { LazyRestoreError } from '../core/error.ts'
import type { ByteSource } from '../snapshot/byte-source.ts'
import { checkWorkload } from './check.ts'
import { decodeBinaryTrace, encodeBinaryTrace, TRACE_MAGIC } from './trace-binary.ts'
import { decodeNdjsonTrace, encodeNdjsonTrace } from './trace-ndjson.ts'
import type { Workload } from './workload.ts'

export type TraceFormat = 'binary' | 'ndjson'

/** Reads a trace file of either format. @throws LazyRestoreError `io`, or `format` with the place that is wrong */
export async function readTrace(path: string): Promise<Workload> {
  const handle = await orRefuse(open(path, 'r'), path, 'opened')
  try {
    const stat = await orRefuse(handle.stat(), path, 'examined')
    if (!stat.isFile()) throw new LazyRestoreError('io', `${path}: found no regular file, expected a trace file`)
    return await decodeTrace(new FileSource(handle, path, stat.size))
  } finally {
    await handle.close()
  }
}

/** Reads a trace of either format from any source of bytes. */
export async function decodeTrace(source: ByteSource): Promise<Workload> {
  const head = Buffer.alloc(Math.min(TRACE_MAGIC.length, source.byteLength))
  await source.read(0, head)
  if (head[0] === TRACE_MAGIC[0]) return decodeBinaryTrace(source)
  if (head[0] === 0x7b) return decodeNdjsonTrace(source)
  const found = head.length === 0 ? 'an empty file' : head.toString('hex')
  throw new LazyRestoreError(
    'format',
    `${source.name}: offset 0: found ${found}, expected ${TRACE_MAGIC.toString('hex')} of a binary trace or "{" of NDJSON`,
  )
}

/** Writes a trace file: next to `path`, then renamed, so that a reader never sees a part of it. */
export async function writeTrace(path: string, workload: Workload, format = formatOf(path)): Promise<void> {
  checkWorkload(workload, `workload ${workload.name}`)
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const handle = await orRefuse(open(temporary, 'wx'), temporary, 'created')
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

/** A file that is open, as long as its handle is. */
class FileSource implements ByteSource {
  readonly name: string
  readonly byteLength: number
  readonly #handle: FileHandle

  constructor(handle: FileHandle, name: string, byteLength: number) {
    this.#handle = handle
    this.name = name
    this.byteLength = byteLength
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    for (let done = 0; done < target.length; ) {
      const reading = this.#handle.read(target, done, target.length - done, offset + done)
      const { bytesRead } = await orRefuse(reading, this.name, `read at offset ${offset + done}`)
      if (bytesRead === 0) {
        const found = `found the end at ${offset + done}`
        throw new LazyRestoreError('io', `${this.name}: ${found}, expected ${target.length} bytes at offset ${offset}`)
      }
      done += bytesRead
    }
  }
}

async function orRefuse<T>(promise: Promise<T>, path: string, done: string): Promise<T> {
  try {
    return await promise
  } catch (cause) {
    throw ioError(path, done, cause)
  }
}

function ioError(path: string, done: string, cause: unknown): LazyRestoreError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new LazyRestoreError('io', `${path}: could not be ${done}: ${reason}`, { cause })
}
