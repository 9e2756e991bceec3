/**
 * The ends of a batch of cells in one piece of memory, so that a thread hands them over, and Redis takes them, without a copy of
 * each record: records of 20 KB by the hundred kept garbage collectors busy.
 */
import { LazyRestoreError } from 'lazyrestore'
import { Packr, Unpackr } from 'msgpackr'
import type { EndedCellBytes } from './job.ts'

export interface EndedBatch {
  /** In the order of the batch. */
  readonly cells: readonly PackedCell[]
  /** Their records, one behind the other: of each cell its end, then its result. All of an ArrayBuffer of its own. */
  readonly bytes: Uint8Array<ArrayBuffer>
}

interface PackedCell {
  readonly state: EndedCellBytes['state']
  readonly tookMs: number
  readonly endedBytes: number
  /** Null: it has no result. */
  readonly resultBytes: number | null
}

const CODEC = { useRecords: false } as const
const packr = new Packr(CODEC)
const unpackr = new Unpackr(CODEC)
/** Before the cells' description: its length. */
const LENGTH_BYTES = 4

export function packBatch(ended: readonly EndedCellBytes[]): EndedBatch {
  const records = ended.flatMap(({ ended, result }) => (result === null ? [ended] : [ended, result]))
  const bytes = new Uint8Array(records.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const record of records) {
    bytes.set(record, at)
    at += record.length
  }
  const cells = ended.map(({ state, tookMs, ended, result }) => {
    return { state, tookMs, endedBytes: ended.length, resultBytes: result?.length ?? null }
  })
  return { cells, bytes }
}

/** The cells, over the batch's memory. */
export function unpackBatch({ cells, bytes }: { cells: readonly PackedCell[]; bytes: Uint8Array }): EndedCellBytes[] {
  let at = 0
  const take = (length: number): Uint8Array => {
    at += length
    return bytes.subarray(at - length, at)
  }
  return cells.map(({ state, tookMs, endedBytes, resultBytes }) => {
    return { state, tookMs, ended: take(endedBytes), result: resultBytes === null ? null : take(resultBytes) }
  })
}

/** As one value of Redis, with the indexes of its cells. */
export function encodeBatch(indexes: readonly number[], { cells, bytes }: EndedBatch): Buffer {
  const description = packr.pack([indexes, cells])
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32LE(description.length)
  return Buffer.concat([length, description, bytes])
}

/** @throws LazyRestoreError `format` for what `encodeBatch` has not made */
export function decodeBatch(value: Buffer): [indexes: readonly number[], ended: EndedCellBytes[]] {
  const start = value.length < LENGTH_BYTES ? Number.NaN : LENGTH_BYTES + value.readUInt32LE(0)
  if (!(start <= value.length)) {
    throw new LazyRestoreError('format', `batch: found ${value.length} bytes, expected the description of its cells`)
  }
  const [indexes, cells] = unpackr.unpack(value.subarray(LENGTH_BYTES, start)) as [number[], PackedCell[]]
  return [indexes, unpackBatch({ cells, bytes: value.subarray(start) })]
}
