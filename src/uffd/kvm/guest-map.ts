/**
 * Where things are in guest-physical memory; the guest's page tables map every address to itself.
 *
 *     0       nothing                       tables  PML4, page-directory pointers, one page directory per GiB
 *     4 KiB   code                          lists   one per vCPU, each a multiple of 2 MiB
 *     8 KiB   tables                        4 GiB   RAM blocks, each aligned to its host page, at least to 2 MiB
 *
 * All RAM is above 4 GiB, out of the way of what x86 keeps below (local APIC, firmware), however small it is.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { formatBytes, GIB, MIB } from '../../core/units.ts'
import { ENTRY_BYTES } from './guest-lists.ts'

export const CODE_ADDRESS = 0x1000
export const TABLES_ADDRESS = 0x2000
export const RAM_ADDRESS = 4 * GIB

const TABLE_BYTES = 4096
const TABLE_ENTRIES = 512
const GUEST_PAGE = 2 * MIB
/** Above are devices. */
const LISTS_END = 3 * GIB
/** What one table of page-directory pointers maps. */
const ADDRESS_END = TABLE_ENTRIES * GIB
/** A list must fit into one view of memory. */
const MOST_LIST_BYTES = GIB

/** Entry bits: present, writable, level 3 may use it, accessed, dirty; and a page rather than a table. */
const ENTRY_PRESENT = 0x67
const ENTRY_LARGE_PAGE = 0x80

/** Memory of this process that is to be the guest's. */
export interface HostMemory {
  readonly address: number
  /** A multiple of 4096. */
  readonly byteLength: number
  readonly hostPageSize: number
}

export interface GuestMap {
  /** Bytes of code and tables, from address 0 on. */
  readonly lowBytes: number
  /** By vCPU; lengths in bytes. */
  readonly listAddress: readonly number[]
  readonly listBytes: readonly number[]
  /** By block. */
  readonly blockAddress: readonly number[]
  /** End of the last block. */
  readonly end: number
}

/** Lays out a guest. @throws LazyRestoreError `limit` for a list above 1 GiB, or more lists or RAM than there are addresses. */
export function planGuestMap(blocks: readonly HostMemory[], entries: readonly number[]): GuestMap {
  let end = RAM_ADDRESS
  const blockAddress = blocks.map(({ byteLength, hostPageSize }) => {
    const address = roundUp(end, Math.max(hostPageSize, GUEST_PAGE))
    end = address + byteLength
    return address
  })
  if (end > ADDRESS_END) throw tooMuch('RAM', end - RAM_ADDRESS, ADDRESS_END - RAM_ADDRESS)
  const lowBytes = roundUp(TABLES_ADDRESS + (2 + Math.ceil(end / GIB)) * TABLE_BYTES, GUEST_PAGE)
  let listEnd = lowBytes
  const listBytes = entries.map(count => Math.max(GUEST_PAGE, roundUp(count * ENTRY_BYTES, GUEST_PAGE)))
  const listAddress = listBytes.map(bytes => {
    if (bytes > MOST_LIST_BYTES) throw tooMuch('one list', bytes, MOST_LIST_BYTES)
    listEnd += bytes
    return listEnd - bytes
  })
  if (listEnd > LISTS_END) throw tooMuch('lists', listEnd - lowBytes, LISTS_END - lowBytes)
  return { lowBytes, listAddress, listBytes, blockAddress, end }
}

/** Fills in page tables that map [0, end) in pages of 2 MiB (Intel SDM vol. 3A, 5.5). @param low memory from guest address 0 on */
export function writePageTables(low: Uint8Array, end: number): void {
  const entries = new BigUint64Array(low.buffer, low.byteOffset + TABLES_ADDRESS)
  const pointers = TABLES_ADDRESS + TABLE_BYTES
  const directories = pointers + TABLE_BYTES
  entries[0] = BigInt(pointers + ENTRY_PRESENT)
  for (let gib = 0; gib < Math.ceil(end / GIB); gib++) {
    entries[TABLE_ENTRIES + gib] = BigInt(directories + gib * TABLE_BYTES + ENTRY_PRESENT)
    for (let page = 0; page < TABLE_ENTRIES; page++) {
      const address = gib * GIB + page * GUEST_PAGE
      entries[(2 + gib) * TABLE_ENTRIES + page] = BigInt(address + ENTRY_PRESENT + ENTRY_LARGE_PAGE)
    }
  }
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}

function tooMuch(what: string, found: number, most: number): LazyRestoreError {
  return new LazyRestoreError(
    'limit',
    `kvm: ${what}: found ${formatBytes(found)}, expected at most ${formatBytes(most)}`,
  )
}
