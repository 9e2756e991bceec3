/**
 * Where a sparse file has bytes and where it has holes: lseek(2) with SEEK_DATA and SEEK_HOLE, which Node does not offer.
 * Bytes that were written as zeros are data here; only what was never written, or was punched out, is a hole.
 */
import { fstatSync } from 'node:fs'
import { LazyRestoreError } from '../core/error.ts'
import { loadKoffi } from '../core/koffi.ts'
import type { ByteRange } from './snapshot.ts'

/** Linux include/uapi/linux/fs.h. */
const SEEK_DATA = 3
const SEEK_HOLE = 4
/** No data behind the offset. */
const ENXIO = 6
const SECTOR_BYTES = 512

export interface DataRuns {
  /** In order; no two touch. */
  readonly runs: readonly ByteRange[]
  /** False: the host cannot say where holes are, and the one run is the whole file, although it may have some. */
  readonly isExact: boolean
}

type Seek = (fd: number, offset: number, whence: number) => number

let seek: { readonly lseek: Seek; readonly errno: () => number } | null | undefined

/** @throws LazyRestoreError `io` */
export function dataRunsOf(name: string, fd: number): DataRuns {
  const { size, blocks } = fstatSync(fd)
  const whole = [{ offset: 0, length: size }]
  seek ??= loadSeek()
  if (seek === null) return { runs: whole, isExact: false }
  const runs = seekRuns(name, fd, size)
  // Without holes although it has less than its bytes on disk: this file system does not tell.
  const isBlind = runs.length === 1 && runs[0].length === size && blocks * SECTOR_BYTES < size
  return { runs, isExact: !isBlind }
}

function seekRuns(name: string, fd: number, size: number): ByteRange[] {
  const { lseek, errno } = seek!
  const runs: ByteRange[] = []
  for (let end = 0; end < size; ) {
    const start = lseek(fd, end, SEEK_DATA)
    if (start < 0 && errno() === ENXIO) break
    end = start < 0 ? -1 : lseek(fd, start, SEEK_HOLE)
    if (end < 0) throw new LazyRestoreError('io', `${name}: cannot look for holes: errno ${errno()}`)
    runs.push({ offset: start, length: Math.min(end, size) - start })
  }
  return runs
}

/** Null where there is no such call. */
function loadSeek(): typeof seek {
  if (process.platform !== 'linux') return null
  try {
    const koffi = loadKoffi()
    const lseek = koffi.load(null).func('lseek', 'int64_t', ['int', 'int64_t', 'int']) as unknown as Seek
    return { lseek, errno: () => koffi.errno() }
  } catch {
    return null
  }
}
