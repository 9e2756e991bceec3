/**
 * An ELF core of a guest's memory, as QEMU's dump-guest-memory (virsh dump --memory-only) writes it: a PT_LOAD segment for
 * each range of guest memory, placed by its physical address (elf(5); QEMU dump/dump.c). Pages lie at any offset. A process's
 * core has no physical addresses and is placed by virtual ones; of a segment only the bytes that are in the file are memory.
 *
 * The other formats of dump-guest-memory, and Windows dumps, are compressed or of another order: refused by name.
 */
import { BinaryTable } from '../binary-table.ts'
import { startsWith } from '../container.ts'
import { checkDisjoint } from '../file-map.ts'
import { formatError } from '../format-error.ts'
import {
  checkPageCount,
  expectFile,
  imageBlocks,
  imageSnapshot,
  PAGE_BYTES,
  type Region,
  regionName,
} from '../memory-image.ts'
import type { StoredFile } from '../stored-file.ts'
import { MAX_BLOCKS } from '../stream-format.ts'
import { snapshotReader } from './reader.ts'

const ELF_MAGIC = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46)
const ET_CORE = 4
const PT_LOAD = 1
/** e_phnum is this: the number is in sh_info of section 0. */
const PN_XNUM = 0xffff

/** Where the fields of header, program header and section header stand, by class. */
const CLASSES = {
  1: {
    header: { bytes: 52, phoff: 28, shoff: 32, phentsize: 42, phnum: 44 },
    program: { bytes: 32, offset: 4, vaddr: 8, paddr: 12, filesz: 16 },
    sectionInfo: 28,
    isWide: false,
  },
  2: {
    header: { bytes: 64, phoff: 32, shoff: 40, phentsize: 54, phnum: 56 },
    program: { bytes: 56, offset: 8, vaddr: 16, paddr: 24, filesz: 32 },
    sectionInfo: 44,
    isWide: true,
  },
} as const
type ElfClass = (typeof CLASSES)[1 | 2]

const OTHER_DUMPS: readonly (readonly [magic: string, what: string])[] = [
  ['KDUMP   ', 'a kdump-compressed dump'],
  ['makedumpfile', 'a kdump-compressed dump'],
  ['PAGEDU', 'a Windows crash dump'],
]

export const elfCoreReader = snapshotReader({
  format: 'elf-core',
  writtenBy: 'QEMU, dump-guest-memory; libvirt, dump --memory-only: ELF, not kdump',
  options: {},
  recognises: ({ head }) => startsWith(head, ELF_MAGIC) || otherDump(head) !== null,
  async read(subject) {
    const file = expectFile(subject, 'an ELF core')
    const other = otherDump(subject.head)
    if (other !== null) {
      const expected = 'an ELF core: dump it again without a format option'
      throw formatError({ name: file.name, offset: 0, field: 'magic', found: other, expected, code: 'unsupported' })
    }
    const regions = await readSegments(file, subject.head)
    return imageSnapshot('elf-core', subject.path, file, imageBlocks(regions, file.dataRuns().runs, PAGE_BYTES))
  },
})

function otherDump(head: Buffer): string | null {
  const text = head.toString('latin1', 0, 16)
  return OTHER_DUMPS.find(([magic]) => text.startsWith(magic))?.[1] ?? null
}

interface Segment extends Region {
  /** Offset of its program header, for complaints. */
  readonly at: number
}

async function readSegments(file: StoredFile, head: Buffer): Promise<Region[]> {
  const ident = await BinaryTable.read(file, 0, 16, 'ELF header')
  const elf = (CLASSES as Record<number, ElfClass | undefined>)[head[4]]
  if (elf === undefined) throw ident.error(4, 'class', head[4], '1 (32 bits) or 2 (64 bits)')
  if (head[5] !== 1 && head[5] !== 2) throw ident.error(5, 'byte order', head[5], '1 (little) or 2 (big)')
  const isLittle = head[5] === 1
  const header = await BinaryTable.read(file, 0, elf.header.bytes, 'ELF header', isLittle)
  const type = header.u16(16)
  if (type !== ET_CORE) throw header.error(16, 'type', type, `${ET_CORE} (core)`)
  const entryBytes = header.u16(elf.header.phentsize)
  if (entryBytes !== elf.program.bytes) {
    throw header.error(elf.header.phentsize, 'bytes of a program header', entryBytes, elf.program.bytes)
  }
  const count = await segmentCount(file, header, elf, isLittle)
  const start = address(header, elf, elf.header.phoff, 'offset of the program headers')
  const table = await BinaryTable.read(file, start, count * entryBytes, `${count} program headers`, isLittle)
  const segments: Segment[] = []
  const hasPhysical = hasPhysicalAddresses(table, elf, count)
  for (let i = 0; i < count; i++) {
    const at = i * entryBytes
    if (table.u32(at) !== PT_LOAD) continue
    const segment = readSegment(file, table, elf, at, hasPhysical)
    if (segment.length > 0) segments.push(segment)
  }
  if (segments.length === 0) throw header.error(elf.header.phnum, 'segments with memory', 'none', 'at least one')
  checkSegments(file, table, segments)
  return segments
}

/** @returns at most MAX_BLOCKS, and one more for the notes */
async function segmentCount(file: StoredFile, header: BinaryTable, elf: ElfClass, isLittle: boolean): Promise<number> {
  const { phnum, shoff } = elf.header
  let count = header.u16(phnum)
  if (count === PN_XNUM) {
    const section = address(header, elf, shoff, 'offset of the section headers')
    count = (await BinaryTable.read(file, section, elf.sectionInfo + 4, 'section header 0', isLittle)).u32(
      elf.sectionInfo,
    )
  }
  if (count <= MAX_BLOCKS + 1) return count
  throw header.error(phnum, 'number of program headers', count, `at most ${MAX_BLOCKS + 1}`, 'limit')
}

function address(table: BinaryTable, { isWide }: ElfClass, at: number, field: string): number {
  return isWide ? table.u64(at, field) : table.u32(at)
}

/** In a process's core they are all 0. */
function hasPhysicalAddresses(table: BinaryTable, elf: ElfClass, count: number): boolean {
  const { bytes, paddr, vaddr } = elf.program
  const width = elf.isWide ? 8 : 4
  const isZero = (at: number) => table.bytes.subarray(at, at + width).every(byte => byte === 0)
  let virtual = false
  for (let at = 0; at < count * bytes; at += bytes) {
    if (table.u32(at) !== PT_LOAD) continue
    if (!isZero(at + paddr)) return true
    virtual ||= !isZero(at + vaddr)
  }
  return !virtual
}

function readSegment(
  { byteLength }: StoredFile,
  table: BinaryTable,
  elf: ElfClass,
  at: number,
  hasPhysical: boolean,
): Segment {
  const { program } = elf
  const placeAt = at + (hasPhysical ? program.paddr : program.vaddr)
  const length = address(table, elf, at + program.filesz, 'bytes of the segment')
  if (length === 0) return { name: '', address: 0, length, pagesOffset: 0, at }
  const place = address(table, elf, placeAt, 'address of the segment')
  const pagesOffset = address(table, elf, at + program.offset, 'offset of the segment')
  const wholePages = `a multiple of ${PAGE_BYTES}`
  if (length % PAGE_BYTES !== 0) throw table.error(at + program.filesz, 'bytes of the segment', length, wholePages)
  if (place % PAGE_BYTES !== 0) throw table.error(placeAt, 'address of the segment', place, wholePages)
  if (pagesOffset + length > byteLength) {
    const found = `bytes up to ${pagesOffset + length}`
    throw table.error(at + program.offset, 'segment', found, `it inside the file of ${byteLength}`)
  }
  return { name: regionName(place), address: place, length, pagesOffset, at }
}

function checkSegments(file: StoredFile, table: BinaryTable, segments: readonly Segment[]): void {
  const ranges = segments.map(({ name, pagesOffset, length }) => ({ offset: pagesOffset, length, what: name }))
  checkDisjoint(file.name, ranges)
  const byAddress = [...segments].sort((a, b) => a.address! - b.address!)
  for (let i = 1; i < byAddress.length; i++) {
    const { name, at, address: place } = byAddress[i]
    const before = byAddress[i - 1]
    if (before.address! + before.length <= place!) continue
    const found = `${name} inside ${before.name}`
    throw table.error(at, 'segment', found, 'memory of its own; dump it with paging off')
  }
  checkPageCount(file.name, 0, segments.reduce((sum, { length }) => sum + length, 0) / PAGE_BYTES)
}
