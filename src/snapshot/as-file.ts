/** A snapshot as real engines want it: a file, whatever it was. */
import { tmpdir } from 'node:os'
import { LazyRestoreError } from '../core/error.ts'
import { createUnnamedFile } from '../core/unnamed-file.ts'
import { sinkTo } from './file-sink.ts'
import { openSnapshot } from './open-snapshot.ts'
import type { Snapshot } from './snapshot.ts'
import { snapshotPages, writeStream } from './snapshot-writer.ts'

/** Is told what is being done, in words. */
export interface ProgressSink {
  update(text: string): void
}

/**
 * The snapshot as a file: itself, or a synthetic one written to a temporary file, which goes when it is closed.
 * @param folder where the temporary file goes, without a name
 * @throws LazyRestoreError `io`
 */
export async function asFile(snapshot: Snapshot, progress: ProgressSink, folder: string = tmpdir()): Promise<Snapshot> {
  if (snapshot.format !== 'synthetic') return snapshot
  const { handle, path } = await createUnnamedFile(folder)
  try {
    const fillPages = snapshotPages(snapshot)
    await writeStream(sinkTo(handle), {
      format: 'mapped-ram',
      machine: 'synthetic',
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
