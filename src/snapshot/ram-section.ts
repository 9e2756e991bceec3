/**
 * The RAM section: SECTION_START with one record a block, a SECTION_PART an iteration, SECTION_END. Only the records are
 * read; page areas are jumped over. RAM must be the stream's first section, since a section has no length and one that is
 * not known cannot be stepped over. Without SECTION_END the bitmaps, which are written last, mean nothing.
 */
import { type BlockRecord, blockEnd, readBlockRecord } from './block-record.ts'
import type { RamDialect } from './configuration.ts'
import { hexOffset } from './format-error.ts'
import {
  COMMAND_SWITCHOVER_START,
  ELEMENT_COMMAND,
  ELEMENT_SECTION_END,
  ELEMENT_SECTION_FOOTER,
  ELEMENT_SECTION_FULL,
  ELEMENT_SECTION_PART,
  ELEMENT_SECTION_START,
  MAX_BLOCKS,
  MAX_ELEMENTS,
  MAX_TARGET_PAGES,
  RAM_FLAG_EOS,
  RAM_FLAG_MASK,
  RAM_FLAG_MEM_SIZE,
  RAM_SECTION_NAME,
  RAM_SECTION_VERSION,
} from './stream-format.ts'
import type { StreamReader } from './stream-reader.ts'

export interface RamSection {
  readonly sectionId: number
  readonly records: readonly BlockRecord[]
  /** Where the first record starts. */
  readonly recordsOffset: number
  /** Behind the last block's pages. */
  readonly blocksEnd: number
  /** Behind the footer of SECTION_END. */
  readonly end: number
}

export interface RamSectionContext {
  readonly dialect: RamDialect
  readonly ignoreShared: boolean
  readonly pageSize: number | null
}

export async function readRamSection(reader: StreamReader, context: RamSectionContext): Promise<RamSection> {
  const sectionId = await readSectionStart(reader)
  const totalBytes = await readTotal(reader)
  const recordsOffset = reader.position
  const records = await readRecords(reader, context, totalBytes)
  const blocksEnd = reader.position
  await expectEos(reader)
  await expectFooter(reader, sectionId)
  await skipIterations(reader, sectionId, context.dialect)
  return { sectionId, records, recordsOffset, blocksEnd, end: reader.position }
}

/** Type, id, name, instance and version of the RAM section; returns the id. */
async function readSectionStart(reader: StreamReader): Promise<number> {
  await skipCommands(reader)
  const at = reader.position
  const type = await reader.u8('section type')
  if (type !== ELEMENT_SECTION_START && type !== ELEMENT_SECTION_FULL) {
    throw reader.error(at, 'section type', type, `${ELEMENT_SECTION_START}, the start of the RAM section`)
  }
  const sectionId = await reader.u32('section id')
  const name = await reader.text(await reader.u8('section name length'), 'section name')
  if (type !== ELEMENT_SECTION_START || name !== RAM_SECTION_NAME) {
    const expected = `${RAM_SECTION_NAME}: a section before it has no length and cannot be stepped over`
    throw reader.error(at, 'first section', name, expected, 'unsupported')
  }
  await reader.expectU32('RAM section instance', 0, 'unsupported')
  await reader.expectU32('RAM section version', RAM_SECTION_VERSION, 'unsupported')
  return sectionId
}

async function readTotal(reader: StreamReader): Promise<number> {
  const at = reader.position
  const word = await reader.u64('total RAM and flags')
  const flags = word % (RAM_FLAG_MASK + 1)
  if (flags === RAM_FLAG_MEM_SIZE) return word - flags
  throw reader.error(at, 'RAM flags', describeFlags(flags), `${hexOffset(RAM_FLAG_MEM_SIZE)} (MEM_SIZE)`)
}

async function readRecords(
  reader: StreamReader,
  context: RamSectionContext,
  totalBytes: number,
): Promise<BlockRecord[]> {
  const records: BlockRecord[] = []
  const names = new Set<string>()
  let { pageSize } = context
  let bytesLeft = totalBytes
  let pagesLeft = MAX_TARGET_PAGES
  while (bytesLeft > 0) {
    const at = reader.position
    if (records.length === MAX_BLOCKS) {
      throw reader.error(at, 'RAM blocks', `more than ${MAX_BLOCKS}`, `at most ${MAX_BLOCKS}`, 'limit')
    }
    const record = await readBlockRecord(reader, { ...context, pageSize, bytesLeft, pagesLeft })
    if (names.has(record.name)) throw reader.error(at, 'RAM block name', `${record.name} twice`, 'each name once')
    names.add(record.name)
    records.push(record)
    pageSize = record.pageSize
    bytesLeft -= record.usedLength
    pagesLeft -= record.pageCount
    reader.position = blockEnd(record)
  }
  return records
}

/** Steps over the iterations to behind RAM's SECTION_END. */
async function skipIterations(reader: StreamReader, sectionId: number, dialect: RamDialect): Promise<void> {
  for (let elements = 0; elements < MAX_ELEMENTS; elements++) {
    await skipCommands(reader)
    const at = reader.position
    const expected = "RAM's SECTION_END: the save was interrupted, and the bitmaps were never written"
    if ((await reader.peek()) === null) throw reader.error(at, 'section type', 'the end of the file', expected)
    const type = await reader.u8('section type')
    if (type === ELEMENT_SECTION_START || type === ELEMENT_SECTION_FULL) {
      throw reader.error(at, 'section type', `${type}, another section inside RAM's`, expected, 'unsupported')
    }
    if (type !== ELEMENT_SECTION_PART && type !== ELEMENT_SECTION_END) {
      throw reader.error(at, 'section type', type, expected)
    }
    await reader.expectU32('section id', sectionId, 'unsupported')
    if (dialect === 'mapped-ram') await expectEos(reader)
    await expectFooter(reader, sectionId)
    if (type === ELEMENT_SECTION_END) return
  }
  throw reader.error(reader.position, 'RAM iterations', `more than ${MAX_ELEMENTS}`, 'fewer', 'limit')
}

async function skipCommands(reader: StreamReader): Promise<void> {
  for (let commands = 0; (await reader.peek()) === ELEMENT_COMMAND; commands++) {
    const at = reader.position
    await reader.skip(1, 'command')
    const command = await reader.u16('command')
    const length = await reader.u16('command length')
    if (command === COMMAND_SWITCHOVER_START && length === 0 && commands < MAX_ELEMENTS) continue
    const found = `${hexOffset(command)} with ${length} bytes`
    const expected = `${hexOffset(COMMAND_SWITCHOVER_START)} (SWITCHOVER_START) with 0, the only one that belongs in a file`
    throw reader.error(at, 'migration command', found, expected, 'unsupported')
  }
}

async function expectEos(reader: StreamReader): Promise<void> {
  const at = reader.position
  const word = await reader.u64('RAM flags')
  if (word === RAM_FLAG_EOS) return
  const flags = word % (RAM_FLAG_MASK + 1)
  throw reader.error(
    at,
    'RAM flags',
    `${hexOffset(word)} (${describeFlags(flags)})`,
    `${hexOffset(RAM_FLAG_EOS)} (EOS)`,
  )
}

async function expectFooter(reader: StreamReader, sectionId: number): Promise<void> {
  const at = reader.position
  const type = await reader.u8('section footer')
  if (type !== ELEMENT_SECTION_FOOTER) {
    throw reader.error(at, 'section footer', hexOffset(type), hexOffset(ELEMENT_SECTION_FOOTER))
  }
  await reader.expectU32('section id in the footer', sectionId)
}

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [0x02, 'ZERO'],
  [0x04, 'MEM_SIZE'],
  [0x08, 'PAGE'],
  [0x10, 'EOS'],
  [0x20, 'CONTINUE'],
  [0x40, 'XBZRLE'],
  [0x80, 'HOOK'],
  [0x100, 'COMPRESS'],
]

/** `PAGE`, `ZERO + CONTINUE`; only MEM_SIZE and EOS are legal where pages have fixed places. */
function describeFlags(flags: number): string {
  const names = FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name)
  return names.length === 0 ? 'no flag' : names.join(' + ')
}
