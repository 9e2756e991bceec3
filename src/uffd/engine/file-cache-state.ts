/**
 * Puts a file's page cache into the state that a measurement wants, and looks whether it got it: others may hold pages, and
 * some kernels reclaim them at once.
 */
import { open } from 'node:fs/promises'
import { formatBytes, MIB } from '../../core/units.ts'
import { evictFile, residentBytes } from '../page-cache-control.ts'

const READ_BYTES = 4 * MIB
/** Share of a file that may be in, or missing from, the page cache without a word. */
const TOLERATED_SHARE = 0.01

/**
 * @param paths of one file, or of several that go together
 * @param name what to call them
 * @param storedBytes of the files that hold data that is wanted
 * @returns null, or one line that says what could not be done
 */
export async function prepareFileCache(
  paths: readonly string[],
  name: string,
  warm: boolean,
  storedBytes: number,
): Promise<string | null> {
  for (const path of paths) await prepareOne(path, warm)
  const cached = paths.reduce((sum, path) => sum + residentBytes(path), 0)
  if (!warm && cached > storedBytes * TOLERATED_SHARE) {
    return `page cache: ${formatBytes(cached)} of ${name} could not be evicted; the start was not cold`
  }
  if (warm && cached < storedBytes * (1 - TOLERATED_SHARE)) {
    return `page cache: found ${formatBytes(cached)} of ${name}, expected ${formatBytes(storedBytes)}; the start was not warm`
  }
  return null
}

async function prepareOne(path: string, warm: boolean): Promise<void> {
  if (warm) return readIn(path)
  const file = await open(path, 'r')
  try {
    evictFile(file.fd)
  } finally {
    await file.close()
  }
}

/**
 * Reads the whole file into the page cache, and what was in it anew, so that it takes large pieces of memory; for who evicts
 * it next, and wants the memory that is free then to have been used just before. @throws when it cannot be read
 */
export async function readAnew(path: string): Promise<void> {
  await prepareOne(path, false)
  await readIn(path)
}

async function readIn(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    const buffer = new Uint8Array(READ_BYTES)
    while ((await file.read(buffer, 0, buffer.length)).bytesRead > 0);
  } finally {
    await file.close()
  }
}
