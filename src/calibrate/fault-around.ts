/**
 * How many pages Linux maps around a fault on a file mapping: one page of a cached file is touched, and /proc/self/pagemap
 * (Linux Documentation/admin-guide/mm/pagemap.rst) tells which ones of its neighbours are mapped now.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { KIB, MIB } from '../core/units.ts'
import { MemoryRegion } from '../uffd/memory-region.ts'
import { libc } from '../uffd/native.ts'

const PAGE = 4096
const ENTRY_BYTES = 8
/** Bit 63 of an entry: the page is mapped. */
const PRESENT = 0x80
const PROT_READ = 1
const MAP_PRIVATE_FIXED = 0x12
const REGION_BYTES = 4 * MIB
/** Memory and file are not both aligned to a huge page, or the kernel may map one. */
const FILE_OFFSET = 64 * KIB

/** @param file in the page cache, longer than 4 MiB; null when the kernel does not tell */
export function measureFaultAround(file: number): number | null {
  const region = new MemoryRegion({ kind: 'anon', hostPageSize: 2 * MIB, byteLength: REGION_BYTES })
  try {
    libc().mmap(region.address, REGION_BYTES, PROT_READ, MAP_PRIVATE_FIXED, file, FILE_OFFSET)
    const entries = Buffer.alloc((REGION_BYTES / PAGE) * ENTRY_BYTES)
    const touched = region.view(REGION_BYTES / 2, 1)[0]
    return touched >= 0 && readPagemap(region.address, entries) ? countPresent(entries) : null
  } finally {
    region.close()
  }
}

function readPagemap(address: number, entries: Buffer): boolean {
  try {
    const pagemap = openSync('/proc/self/pagemap', 'r')
    try {
      return readSync(pagemap, entries, 0, entries.length, (address / PAGE) * ENTRY_BYTES) === entries.length
    } finally {
      closeSync(pagemap)
    }
  } catch {
    return false
  }
}

function countPresent(entries: Buffer): number {
  let pages = 0
  for (let at = ENTRY_BYTES - 1; at < entries.length; at += ENTRY_BYTES) pages += (entries[at] & PRESENT) === 0 ? 0 : 1
  return pages
}
