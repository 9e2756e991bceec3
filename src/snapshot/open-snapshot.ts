/**
 * Opens whatever SNAPSHOT names: `synthetic:…`, or a file, known by its content.
 */
import { openFile } from './file-source.ts'
import { type ReadOptions, readSnapshot } from './qemu-snapshot.ts'
import type { Snapshot } from './snapshot.ts'
import { openSynthetic, SYNTHETIC_PREFIX } from './synthetic.ts'

/**
 * ```ts
 * const snapshot = await openSnapshot('synthetic:1GiB,zero=60%')
 * console.log(snapshot.blocks[0].setBits)
 * await snapshot.close()
 * ```
 * @throws LazyRestoreError `usage`, `io`, `format`, `unsupported` or `limit`; nothing stays open then.
 */
export async function openSnapshot(nameOrPath: string, options: ReadOptions = {}): Promise<Snapshot> {
  if (nameOrPath.startsWith(SYNTHETIC_PREFIX)) return openSynthetic(nameOrPath)
  const file = await openFile(nameOrPath)
  try {
    return { ...(await readSnapshot(file, options)), close: () => file.close() }
  } catch (error) {
    await file.close()
    throw error
  }
}
