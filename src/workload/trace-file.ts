/**
 * Trace files on disk. The format is found by content when read, and by the path's ending when written: `.ndjson` and
 * `.jsonl` are for people, all else is the binary format. A file appears whole or not at all.
 */
import { LazyRestoreError } from '../core/error.ts'
import type { ByteSource } from '../snapshot/byte-source.ts'
import { replaceFile } from '../snapshot/file-sink.ts'
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

/**
 * Writes a trace file: next to `path`, then renamed, so that a reader never sees a part of it.
 * @throws LazyRestoreError `io`, also where something is that is no file
 */
export async function writeTrace(path: string, workload: Workload, format = formatOf(path)): Promise<void> {
  checkWorkload(workload, `workload ${workload.name}`)
  await replaceFile(path, async sink => {
    let offset = 0
    for (const piece of format === 'binary' ? encodeBinaryTrace(workload) : encodeNdjsonTrace(workload)) {
      await sink.write(offset, piece)
      offset += piece.length
    }
  })
}

/** The format that a path's ending asks for. */
export function formatOf(path: string): TraceFormat {
  return /\.(ndjson|jsonl)$/i.test(path) ? 'ndjson' : 'binary'
}
