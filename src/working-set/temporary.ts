/** A working-set file for one engine, of a recording that nobody has built a file of: without a name, gone when it is closed. */
import { tmpdir } from 'node:os'
import { LazyRestoreError } from '../core/error.ts'
import { createUnnamedFile } from '../core/unnamed-file.ts'
import type { Layout } from '../destination/layout.ts'
import { sinkTo } from '../snapshot/file-sink.ts'
import type { WorkingSetContents } from './working-set.ts'
import { writeWorkingSet } from './write.ts'

export interface TemporaryWorkingSet {
  /** Good until the file is closed, in this process. */
  readonly contents: WorkingSetContents
  /** The file is gone then. */
  close(): Promise<void>
}

/**
 * @param folder where the file goes, without a name; the temporary one when not given
 * @throws LazyRestoreError `io`
 */
export async function writeTemporaryWorkingSet(
  layout: Layout,
  pages: Uint32Array,
  folder: string = tmpdir(),
): Promise<TemporaryWorkingSet> {
  const { handle, path } = await createUnnamedFile(folder)
  try {
    const place = await writeWorkingSet(sinkTo(handle), { layout, pages, recordings: ['the run itself'], minRuns: 1 })
    await handle.datasync()
    return { contents: { path, ...place }, close: () => handle.close() }
  } catch (cause) {
    await handle.close()
    if (cause instanceof LazyRestoreError) throw cause
    throw new LazyRestoreError('io', `${folder}: working-set file: ${(cause as Error).message}`, { cause })
  }
}
