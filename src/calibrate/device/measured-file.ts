/**
 * The file that is read for calibration: random bytes, so that nothing between here and the medium can leave them out, written
 * out to the device. It has no name any more when this returns: the space is free again when the process ends, however it ends.
 */
import { randomFillSync } from 'node:crypto'
import { closeSync, constants as fsConstants, fsyncSync, openSync, statfsSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { LazyRestoreError } from '../../core/error.ts'
import { formatBytes, MIB } from '../../core/units.ts'

const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_DIRECT } = fsConstants

export interface MeasuredFile {
  readonly byteLength: number
  /** Reads through the page cache. */
  readonly buffered: number
  /** Reads past it (O_DIRECT); -1 when the file system refuses. */
  readonly direct: number
  close(): void
}

/** @throws LazyRestoreError `io` when the folder is not writable or too full */
export function createMeasuredFile(folder: string, byteLength: number): MeasuredFile {
  const path = join(folder, `.lazyrestore-calibrate-${process.pid}-${Date.now()}`)
  let buffered = -1
  let direct = -1
  try {
    checkSpace(folder, byteLength)
    buffered = openSync(path, O_CREAT | O_EXCL | O_RDWR, 0o600)
    try {
      direct = openDirect(path)
    } finally {
      unlinkSync(path)
    }
    fill(buffered, byteLength)
    fsyncSync(buffered)
  } catch (cause) {
    if (buffered >= 0) closeSync(buffered)
    if (direct >= 0) closeSync(direct)
    if (cause instanceof LazyRestoreError) throw cause
    throw new LazyRestoreError('io', `${folder}: ${(cause as Error).message}`, { cause })
  }
  return {
    byteLength,
    buffered,
    direct,
    close() {
      closeSync(buffered)
      if (direct >= 0) closeSync(direct)
    },
  }
}

function openDirect(path: string): number {
  try {
    return openSync(path, O_RDONLY | O_DIRECT)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return -1
    throw error
  }
}

/** Never the last half of what is free. */
function checkSpace(folder: string, byteLength: number): void {
  const { bavail, bsize } = statfsSync(folder)
  if (bavail * bsize >= 2 * byteLength) return
  const found = `found ${formatBytes(bavail * bsize)} free`
  throw new LazyRestoreError('io', `${folder}: ${found}, expected ${formatBytes(2 * byteLength)} for a file to read`)
}

function fill(file: number, byteLength: number): void {
  const chunk = Buffer.allocUnsafe(Math.min(byteLength, 4 * MIB))
  for (let offset = 0; offset < byteLength; offset += chunk.length) {
    randomFillSync(chunk)
    for (let done = 0; done < chunk.length; ) {
      done += writeSync(file, chunk, done, chunk.length - done, offset + done)
    }
  }
}
