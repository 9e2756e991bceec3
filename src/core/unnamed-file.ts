/**
 * Temporary files that leave nothing behind, however the process ends (SIGINT and SIGKILL too): they have no name (O_TMPFILE,
 * open(2)), and the kernel frees their space with the last descriptor. Whoever wants a path, to open the file another time or to
 * map it, has the one under /proc/self/fd (proc_pid_fd(5)), which every thread of the process may use. Linux only.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, constants, openSync, unlinkSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { LazyRestoreError } from './error.ts'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_RDWR } = constants
/** Node has no name for it (include/uapi/asm-generic/fcntl.h). */
const O_TMPFILE = 0o20000000 | O_DIRECTORY
/** What open(2) answers where the file system, or the kernel, has no such files. */
const NO_TMPFILE = ['EOPNOTSUPP', 'EISDIR', 'EINVAL']

export interface UnnamedFile {
  readonly handle: FileHandle
  /** Good until `handle` is closed, in this process. */
  readonly path: string
}

/** An empty file, to be written and read, on the file system of `folder`. @throws LazyRestoreError `io` */
export async function createUnnamedFile(folder: string): Promise<UnnamedFile> {
  try {
    const descriptor = openUnnamed(folder)
    try {
      const handle = await open(`/proc/self/fd/${descriptor}`, 'r+')
      return { handle, path: `/proc/self/fd/${handle.fd}` }
    } finally {
      closeSync(descriptor)
    }
  } catch (cause) {
    throw new LazyRestoreError('io', `${folder}: cannot make a temporary file: ${(cause as Error).message}`, { cause })
  }
}

function openUnnamed(folder: string): number {
  try {
    return openSync(folder, O_TMPFILE | O_RDWR, 0o600)
  } catch (error) {
    if (!NO_TMPFILE.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
  // There a name exists for some µs, and a signal right then leaves an empty file.
  const name = join(folder, `.lazyrestore-${randomBytes(8).toString('hex')}`)
  const descriptor = openSync(name, O_CREAT | O_EXCL | O_RDWR, 0o600)
  unlinkSync(name)
  return descriptor
}
