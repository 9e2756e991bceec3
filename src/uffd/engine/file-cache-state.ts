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
 * @param name what to call the file
 * @param storedBytes of the file that hold data; the rest is holes
 * @returns null, or one line that says what could not be done
 */
export async function prepareFileCache(
  path: string,
  name: string,
  warm: boolean,
  storedBytes: number,
): Promise<string | null> {
  const file = await open(path, 'r')
  try {
    if (warm) {
      const buffer = new Uint8Array(READ_BYTES)
      while ((await file.read(buffer, 0, buffer.length)).bytesRead > 0);
    } else evictFile(file.fd)
  } finally {
    await file.close()
  }
  const cached = residentBytes(path)
  if (!warm && cached > storedBytes * TOLERATED_SHARE) {
    return `page cache: ${formatBytes(cached)} of ${name} could not be evicted; the start was not cold`
  }
  if (warm && cached < storedBytes * (1 - TOLERATED_SHARE)) {
    return `page cache: found ${formatBytes(cached)} of ${name}, expected ${formatBytes(storedBytes)}; the start was not warm`
  }
  return null
}
