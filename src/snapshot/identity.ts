/**
 * A digest by which a trace or a working set knows its snapshot. It is over what says which pages there are, not over their
 * bytes: a snapshot of 1 TiB has it in milliseconds.
 */
import { createHash } from 'node:crypto'
import type { RamBlock, SnapshotFormat } from './snapshot.ts'

/** Over the format and, for each block, its name, length and page size and the bitmap's bytes. */
export function snapshotIdentity(format: SnapshotFormat, blocks: readonly RamBlock[]): string {
  const hash = createHash('sha256').update(`${format}\n`)
  for (const { name, usedLength, pageSize, ignored, bitmap } of blocks) {
    hash.update(`${JSON.stringify({ name, usedLength, pageSize, ignored })}\n`)
    if (!ignored) hash.update(bitmap)
  }
  return hash.digest('hex')
}

/** Over text that determines the snapshot. */
export function textIdentity(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
