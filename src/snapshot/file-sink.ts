/**
 * A file that appears under its name only when it is complete: it is written beside it under a temporary name, synced and
 * renamed. What was never written is a hole.
 */
import { randomBytes } from 'node:crypto'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { LazyRestoreError } from '../core/error.ts'
import { outputPath } from '../core/output-path.ts'
import { holdTemporary } from '../core/temporary-files.ts'

export interface ByteSink {
  write(offset: number, bytes: Uint8Array): Promise<void>
}

/** A sink whose end may be a hole. */
export interface FileSink extends ByteSink {
  setLength(bytes: number): Promise<void>
}

/** A sink onto a file that is open. What it throws is the operating system's own error. */
export function sinkTo(handle: FileHandle): FileSink {
  return {
    setLength: bytes => handle.truncate(bytes),
    async write(offset, bytes) {
      for (let done = 0; done < bytes.length; ) {
        done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten
      }
    },
  }
}

type Fill = (sink: FileSink) => Promise<void>
type Check = (written: string) => Promise<void>

/**
 * Calls `fill` with a sink onto the new file. Whatever fails, `path` is as it was before.
 * @param check is given the path of what was written, before it takes its name; throws when it should not
 * @throws LazyRestoreError `io`, also where something is that is no file
 */
export async function replaceFile(path: string, fill: Fill, check: Check = async () => {}): Promise<void> {
  try {
    await replaceTarget(await outputPath(path), fill, check)
  } catch (cause) {
    if (cause instanceof LazyRestoreError || !isSystemError(cause)) throw cause
    throw new LazyRestoreError('io', `${path}: cannot write: ${cause.message}`, { cause })
  }
}

async function replaceTarget(path: string, fill: Fill, check: Check): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.partial`
  const release = holdTemporary(temporary)
  try {
    const handle = await open(temporary, 'wx')
    try {
      await fill(sinkTo(handle))
      await handle.sync()
    } finally {
      await handle.close()
    }
    await check(temporary)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  } finally {
    release()
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}
