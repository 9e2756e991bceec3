/**
 * Temporary files that leave nothing behind, however the process ends (SIGINT and SIGKILL too): the name goes as soon as the file is
 * open, and the kernel frees the space with the last descriptor (unlink(2)). Whoever wants a path, to open the file another
 * time or to map it, has the one under /proc/self/fd (proc_pid_fd(5)), which every thread of the process may use. Linux only.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, unlinkSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { LazyRestoreError } from './error.ts'

export interface UnnamedFile {
  readonly handle: FileHandle
  /** Good until `handle` is closed, in this process. */
  readonly path: string
}

/** An empty file, to be written and read, on the file system of `folder`. @throws LazyRestoreError `io` */
export async function createUnnamedFile(folder: string): Promise<UnnamedFile> {
  try {
    const name = join(folder, `.lazyrestore-${randomBytes(8).toString('hex')}`)
    // Synchronous, so that no signal handler and no other code comes between the two.
    const descriptor = openSync(name, 'wx+', 0o600)
    try {
      unlinkSync(name)
      const handle = await open(`/proc/self/fd/${descriptor}`, 'r+')
      return { handle, path: `/proc/self/fd/${handle.fd}` }
    } finally {
      closeSync(descriptor)
    }
  } catch (cause) {
    throw new LazyRestoreError('io', `${folder}: cannot make a temporary file: ${(cause as Error).message}`, { cause })
  }
}
