/**
 * The working-set file: the recorded host pages that have data, whole, one after the other in the order of first use. Written
 * before a restore that wants it, from the snapshot; src/policy/working-set.ts plans its reads.
 */
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testBit } from '../../core/bitmap.ts'
import { LazyRestoreError } from '../../core/error.ts'
import { MIB } from '../../core/units.ts'
import { blockOfHostPage, type Layout } from '../../destination/layout.ts'
import { assemble } from '../../resolver/assemble.ts'
import { createResolution, resolve } from '../../resolver/resolver.ts'

const BUFFER_BYTES = 8 * MIB

export interface WorkingSetFile {
  readonly path: string
  readonly byteLength: number
  remove(): Promise<void>
}

/** @param folder where the file goes; a temporary one when not given */
export async function writeWorkingSetFile(
  layout: Layout,
  pages: Uint32Array,
  folder: string = tmpdir(),
): Promise<WorkingSetFile> {
  const directory = await mkdtemp(join(folder, 'lazyrestore-'))
  const path = join(directory, 'working-set')
  const remove = () => rm(directory, { recursive: true, force: true })
  try {
    return { path, byteLength: await write(path, layout, pages), remove }
  } catch (cause) {
    await remove()
    if (cause instanceof LazyRestoreError) throw cause
    throw new LazyRestoreError('io', `${path}: ${(cause as Error).message}`, { cause })
  }
}

async function write(path: string, layout: Layout, pages: Uint32Array): Promise<number> {
  const largest = Math.max(...layout.blocks.map(({ hostPageSize }) => hostPageSize))
  const buffer = new Uint8Array(Math.max(BUFFER_BYTES, largest))
  const resolution = createResolution(layout, 1, largest)
  const file = await open(path, 'w')
  try {
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
  } finally {
    await file.close()
  }
}
