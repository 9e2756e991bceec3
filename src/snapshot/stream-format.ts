/**
 * The constants of QEMU's migration stream and of its RAM section, and the limits that this reader sets itself.
 * Specified in QEMU docs/devel/migration/{main,mapped-ram}.rst; docs/formats.md has it byte by byte.
 */
import { GIB, KIB, MIB } from '../core/units.ts'

/** `QEVM`. */
export const STREAM_MAGIC = Uint8Array.of(0x51, 0x45, 0x56, 0x4d)
export const STREAM_VERSION = 3

/** First byte of each element of the stream. */
export const ELEMENT_EOF = 0x00
export const ELEMENT_SECTION_START = 0x01
export const ELEMENT_SECTION_PART = 0x02
export const ELEMENT_SECTION_END = 0x03
export const ELEMENT_SECTION_FULL = 0x04
export const ELEMENT_SUBSECTION = 0x05
export const ELEMENT_VM_DESCRIPTION = 0x06
export const ELEMENT_CONFIGURATION = 0x07
export const ELEMENT_COMMAND = 0x08
export const ELEMENT_SECTION_FOOTER = 0x7e

/** The only command that a file holds: of length 0, between the last iteration and the completion. */
export const COMMAND_SWITCHOVER_START = 0x000b

export const RAM_SECTION_NAME = 'ram'
export const RAM_SECTION_VERSION = 4

/** Flags in the low bits of the RAM section's 64-bit words. */
export const RAM_FLAG_MEM_SIZE = 0x04
export const RAM_FLAG_EOS = 0x10
/** Bits that a flag can take whatever the page size, none being smaller than 512. */
export const RAM_FLAG_MASK = 0x1ff

export const MAPPED_RAM_HEADER_VERSION = 1
/** Writers put page slots at multiples of this. */
export const PAGES_ALIGNMENT = MIB

export const CAPABILITY_IGNORE_SHARED = 'x-ignore-shared'

export const DEFAULT_PAGE_SIZE = 4 * KIB
export const MIN_PAGE_SIZE = 512
export const MAX_PAGE_SIZE = GIB

/** Bounds on what a file can make us do. Real snapshots have tens of blocks and hundreds of iterations. */
export const MAX_BLOCKS = 4096
export const MAX_TARGET_PAGES = 2 ** 32 - 1
export const MAX_ELEMENTS = 2 ** 20
export const MAX_CAPABILITIES = 64
export const MAX_NAME_BYTES = 255

/** Bytes of the bitmap of `pageCount` pages: whole 64-bit words of the writing host. */
export function bitmapByteLength(pageCount: number): number {
  return Math.ceil(pageCount / 64) * 8
}

export function isPageSize(bytes: number): boolean {
  return bytes >= MIN_PAGE_SIZE && bytes <= MAX_PAGE_SIZE && 2 ** Math.round(Math.log2(bytes)) === bytes
}

export const PAGE_SIZE_RULE = 'a power of two from 512 to 1 GiB'
