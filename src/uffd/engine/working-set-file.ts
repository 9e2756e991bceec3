/**
 * The working-set file: the recorded host pages that have data, whole, one after the other in the order of first use. Written
 * before a restore that wants it, from the snapshot; src/policy/working-set.ts plans its reads.
 */
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { testBit } from '../../core/bitmap.ts'
import { LazyRestoreError } from '../../core/error.ts'
import { MIB } from '../../core/units.ts'
import { createUnnamedFile } from '../../core/unnamed-file.ts'
import { blockOfHostPage, type Layout } from '../../destination/layout.ts'
import { assemble } from '../../resolver/assemble.ts'
import { createResolution, resolve } from '../../resolver/resolver.ts'

const BUFFER_BYTES = 8 * MIB

export interface WorkingSetFile {
  /** Good until the file is closed, in this process. */
  readonly path: string
  readonly byteLength: number
  /** The file is gone then. */
  close(): Promise<void>
}

/**
 * @param folder where the file goes, without a name; the temporary one when not given
 * @throws LazyRestoreError `io`
 */
export async function writeWorkingSetFile(
  layout: Layout,
  pages: Uint32Array,
  folder: string = tmpdir(),
): Promise<WorkingSetFile> {
  const { handle, path } = await createUnnamedFile(folder)
  try {
    return { path, byteLength: await write(handle, layout, pages), close: () => handle.close() }
  } catch (cause) {
    await handle.close()
    if (cause instanceof LazyRestoreError) throw cause
    throw new LazyRestoreError('io', `${folder}: working-set file: ${(cause as Error).message}`, { cause })
  }
}

async function write(file: FileHandle, layout: Layout, pages: Uint32Array): Promise<number> {
  const largest = Math.max(...layout.blocks.map(({ hostPageSize }) => hostPageSize))
  const buffer = new Uint8Array(Math.max(BUFFER_BYTES, largest))
  const resolution = createResolution(layout, 1, largest)
  let byteLength = 0
  let filled = 0
  for (const page of pages) {
    if (!testBit(layout.hasData, page)) continue
    const { hostPageSize } = blockOfHostPage(layout, page)
    if (filled + hostPageSize > buffer.length) {
      await file.writeFile(buffer.subarray(0, filled))
      filled = 0
    }
    const target = buffer.subarray(filled, filled + hostPageSize)
    const { length } = await assemble(layout.snapshot.source, resolve(layout, page, 1, largest, resolution), target)
    target.fill(0, length)
    filled += hostPageSize
    byteLength += hostPageSize
  }
  await file.writeFile(buffer.subarray(0, filled))
  await file.datasync()
  return byteLength
}
