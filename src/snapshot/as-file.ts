/** A snapshot as real engines want it: in files, and every page at a multiple of its size, whatever it was. */
import { tmpdir } from 'node:os'
import { LazyRestoreError } from '../core/error.ts'
import { createUnnamedFile } from '../core/unnamed-file.ts'
import { sinkTo } from './file-sink.ts'
import { openSnapshot } from './open-snapshot.ts'
import { ScatteredSource } from './scattered-source.ts'
import type { Snapshot } from './snapshot.ts'
import { snapshotPages, writeStream } from './snapshot-writer.ts'

/** Is told what is being done, in words. */
export interface ProgressSink {
  update(text: string): void
}

/**
 * The snapshot as files: itself, or one that is in no file, or whose pages lie at odd offsets (an ELF core's), written to a
 * temporary file, which goes when it is closed. What lies at odd offsets can be neither mapped nor read past the page cache.
 * @param folder where the temporary file goes, without a name
 * @throws LazyRestoreError `io`
 */
export async function asFile(snapshot: Snapshot, progress: ProgressSink, folder: string = tmpdir()): Promise<Snapshot> {
  if (snapshot.format !== 'synthetic' && isAligned(snapshot)) return snapshot
  const { handle, path } = await createUnnamedFile(folder)
  try {
    const fillPages = snapshotPages(snapshot)
    await writeStream(sinkTo(handle), {
      format: 'mapped-ram',
      machine: snapshot.machine ?? snapshot.format,
      blocks: snapshot.blocks,
      fillPages: (block, page, target) => {
        progress.update(`writing ${snapshot.name} to a file: page ${page} of ${snapshot.blocks[block].pageCount}`)
        return fillPages(block, page, target)
      },
    })
    const file = await openSnapshot(path)
    const close = async (): Promise<void> => {
      await file.close()
      await handle.close()
    }
    return { ...file, name: snapshot.name, identity: snapshot.identity, close }
  } catch (cause) {
    await handle.close()
    if (cause instanceof LazyRestoreError) throw cause
    throw new LazyRestoreError('io', `${folder}: ${snapshot.name}: ${(cause as Error).message}`, { cause })
  }
}

function isAligned({ source, blocks }: Snapshot): boolean {
  const origins = source instanceof ScatteredSource ? source.origins : []
  return blocks.every(
    ({ pagesOffset, pageSize }) => pagesOffset % pageSize === 0 && origins.every(({ base }) => base % pageSize === 0),
  )
}
