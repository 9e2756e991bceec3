/**
 * The page cache of one file, for restores that are to start cold: dropped with posix_fadvise(2), counted with mincore(2).
 * Advice may be followed in part: pages that are mapped, locked or just being written stay. So a measurement counts
 * afterwards, and says what it found.
 */
import { closeSync, fdatasyncSync, fstatSync, openSync } from 'node:fs'
import { LazyRestoreError } from '../core/error.ts'
import { GIB } from '../core/units.ts'
import { errnoName } from './constants.ts'
import { type Libc, libc } from './native.ts'

const POSIX_FADV_DONTNEED = 4
const PROT_READ = 1
const MAP_SHARED = 1
const PAGE_BYTES = 4096
/** Mapped at a time, which bounds the memory for mincore's answer: a byte a page. */
const WINDOW_BYTES = GIB

/**
 * Writes what is dirty back, then asks the kernel to drop the file's pages.
 * @throws LazyRestoreError `io`
 */
export function evictFile(fd: number): void {
  const c = libc()
  fdatasyncSync(fd)
  const errno = c.posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)
  if (errno !== 0) throw failure(`descriptor ${fd}`, 'posix_fadvise', errno)
}

/**
 * Bytes of the file that are in the page cache, in whole pages. For a file that this user neither owns nor may write, the
 * kernel answers that all of it is.
 * @throws LazyRestoreError `io`
 */
export function residentBytes(path: string): number {
  const c = libc()
  const fd = openFile(path)
  try {
    const { size } = fstatSync(fd)
    const residency = new Uint8Array(Math.ceil(Math.min(size, WINDOW_BYTES) / PAGE_BYTES))
    let pages = 0
    for (let offset = 0; offset < size; offset += WINDOW_BYTES) {
      pages += residentPages(c, path, fd, offset, Math.min(WINDOW_BYTES, size - offset), residency)
    }
    return pages * PAGE_BYTES
  } finally {
    closeSync(fd)
  }
}

function residentPages(
  c: Libc,
  path: string,
  fd: number,
  offset: number,
  length: number,
  residency: Uint8Array,
): number {
  const address = c.mmap(0, length, PROT_READ, MAP_SHARED, fd, offset)
  if (address === -1) throw failure(path, 'mmap', c.errno())
  const result = c.mincore(address, length, residency)
  const errno = result < 0 ? c.errno() : 0
  c.munmap(address, length)
  if (errno !== 0) throw failure(path, 'mincore', errno)
  let pages = 0
  for (let page = 0; page < Math.ceil(length / PAGE_BYTES); page++) pages += residency[page] & 1
  return pages
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    throw new LazyRestoreError('io', `${path}: ${(cause as Error).message}`, { cause })
  }
}

function failure(what: string, call: string, errno: number): LazyRestoreError {
  return new LazyRestoreError('io', `${what}: ${call}: found ${errnoName(errno)}, expected success`)
}
