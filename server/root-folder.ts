/** The folders that snapshots may come from, as `serve` and `worker` are given them. */
import { realpathSync, statSync } from 'node:fs'
import { LazyRestoreError } from 'lazyrestore'

/** The folder without symbolic links. @throws LazyRestoreError `usage` when it is not there, or is none */
export function rootFolder(root: string): string {
  let real: string
  try {
    real = realpathSync(root)
  } catch {
    throw new LazyRestoreError('usage', `--snapshot-root ${root}: found no such folder`)
  }
  if (statSync(real).isDirectory()) return real
  throw new LazyRestoreError('usage', `--snapshot-root ${root}: found a file, expected a folder`)
}
