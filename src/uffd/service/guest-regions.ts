/**
 * The message by which Firecracker hands its guest's memory over: a JSON array with an object a region, beside a userfaultfd.
 * Source: Firecracker docs/snapshotting/handling-page-faults-on-snapshot-resume.md and GuestRegionUffdMapping in
 * src/vmm/src/persist.rs.
 *
 *     [{"base_host_virt_addr": N, "size": N, "offset": N, "page_size": N, "page_size_kib": N}, …]
 *
 * `page_size_kib` is deprecated, is in bytes in spite of its name, and was the only one of the two before 1.8.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { formatBytes, GIB, KIB, MIB } from '../../core/units.ts'

/** Longest message: some 600 regions. A VM has one to three, and a few more with memory that was plugged in. */
export const MAX_MESSAGE_BYTES = 64 * 1024

const PAGE_SIZES: readonly number[] = [4096, 2 * MIB, GIB]

/** A range of guest memory, all of it in one mapping of the VMM. Bytes. */
export interface GuestRegion {
  /** In the VMM's address space. */
  readonly address: number
  readonly byteLength: number
  /** Where its contents begin in the memory file, in which all regions lie one behind the other. */
  readonly offset: number
  /** Of the memory that backs it: 2 MiB and 1 GiB are hugetlb. */
  readonly pageSize: number
}

/** Of a process's memory: the lowest page that Linux gives without privilege (vm.mmap_min_addr), and its end (Documentation/arch/x86/x86_64/mm.rst; arm64: 48 bits). */
const LEAST_ADDRESS = 64 * KIB
const ADDRESSES_END = process.arch === 'x64' ? 2 ** 47 : 2 ** 48
const OPEN = 0x5b
const CLOSE = 0x5d
const QUOTE = 0x22
const BACKSLASH = 0x5c
const BLANKS: readonly number[] = [0x20, 0x09, 0x0a, 0x0d]

/**
 * Where the array at the start of the bytes ends, its closing bracket included; null: it has not ended yet.
 * @throws LazyRestoreError `format` when it begins with anything but an array
 */
export function endOfArray(bytes: Uint8Array): number | null {
  let depth = 0
  let inString = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (inString) {
      if (byte === BACKSLASH) i++
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE && depth > 0) inString = true
    else if (byte === OPEN) depth++
    else if (byte === CLOSE && depth > 0) {
      depth--
      if (depth === 0) return i + 1
    } else if (depth === 0 && !BLANKS.includes(byte)) {
      refuse(`byte ${i}: found 0x${byte.toString(16).padStart(2, '0')}, expected a JSON array of regions`)
    }
  }
  return null
}

/**
 * The regions, by their place in the memory file.
 * @param text a whole message
 * @throws LazyRestoreError `format` with region, field, what was found and what was expected
 */
export function parseRegions(text: string): readonly GuestRegion[] {
  const items = parseArray(text)
  if (items.length === 0) refuse('found no region, expected at least one')
  const regions = items.map(parseRegion).sort((a, b) => a.offset - b.offset)
  checkApart(regions, 'offset', ({ offset }) => offset)
  checkApart(
    regions.toSorted((a, b) => a.address - b.address),
    'base_host_virt_addr',
    ({ address }) => address,
  )
  return regions
}

function parseArray(text: string): readonly unknown[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    refuse(`found no JSON: ${(cause as Error).message.split('\n')[0]}`)
  }
  return Array.isArray(value) ? value : refuse(`found ${typeof value}, expected a JSON array of regions`)
}

function parseRegion(item: unknown, index: number): GuestRegion {
  const where = `region ${index}`
  if (typeof item !== 'object' || item === null || Array.isArray(item)) {
    return refuse(`${where}: found ${JSON.stringify(item)?.slice(0, 40)}, expected an object`)
  }
  const fields = item as Readonly<Record<string, unknown>>
  const pageSize = pageSizeOf(fields, where)
  const address = numberOf(fields, 'base_host_virt_addr', where)
  const byteLength = numberOf(fields, 'size', where)
  const offset = numberOf(fields, 'offset', where)
  for (const [name, value] of Object.entries({ base_host_virt_addr: address, size: byteLength, offset })) {
    if (value % pageSize === 0) continue
    refuse(`${where}: ${name}: found ${value}, expected a multiple of the page size, ${formatBytes(pageSize)}`)
  }
  if (byteLength === 0) refuse(`${where}: size: found 0, expected at least a page`)
  if (!Number.isSafeInteger(offset + byteLength)) {
    refuse(`${where}: offset: found ${offset} with a size of ${byteLength}, expected an end below 2^53`)
  }
  if (address < LEAST_ADDRESS || address + byteLength > ADDRESSES_END) {
    const found = `found ${address} with a size of ${byteLength}`
    refuse(
      `${where}: base_host_virt_addr: ${found}, expected a process's own, from 64 KiB to 2^${Math.log2(ADDRESSES_END)}`,
    )
  }
  return { address, byteLength, offset, pageSize }
}

function pageSizeOf(fields: Readonly<Record<string, unknown>>, where: string): number {
  const { page_size: current, page_size_kib: deprecated } = fields
  if (current === undefined && deprecated === undefined) {
    refuse(`${where}: found neither page_size nor page_size_kib, expected one of them, in bytes`)
  }
  if (current !== undefined && deprecated !== undefined && current !== deprecated) {
    refuse(`${where}: found page_size ${current} and page_size_kib ${deprecated}, expected both in bytes, and the same`)
  }
  const name = current === undefined ? 'page_size_kib' : 'page_size'
  const pageSize = numberOf(fields, name, where)
  if (PAGE_SIZES.includes(pageSize)) return pageSize
  return refuse(`${where}: ${name}: found ${pageSize}, expected ${PAGE_SIZES.join(', ')} (bytes)`)
}

function numberOf(fields: Readonly<Record<string, unknown>>, name: string, where: string): number {
  const value = fields[name]
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  const found = value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 40)
  return refuse(`${where}: ${name}: found ${found}, expected a whole number from 0 to 2^53 - 1`)
}

/** @param regions in the order of their starts */
function checkApart(regions: readonly GuestRegion[], field: string, startOf: (region: GuestRegion) => number): void {
  for (const [i, region] of regions.entries()) {
    const end = i === 0 ? 0 : startOf(regions[i - 1]) + regions[i - 1].byteLength
    if (startOf(region) >= end) continue
    refuse(`${field}: found a region at ${startOf(region)} inside the one that ends at ${end}, expected them apart`)
  }
}

function refuse(what: string): never {
  throw new LazyRestoreError('format', `memory regions: ${what}`)
}
