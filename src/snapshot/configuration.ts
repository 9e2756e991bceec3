/**
 * The configuration section that opens a stream: the machine type, and in subsections the target page size and the
 * capabilities. The capabilities are the only place that says how the RAM section is written. QEMU migration/savevm.c,
 * VMState "configuration".
 */
import { ByteWriter } from './byte-writer.ts'
import type { ByteRange } from './snapshot.ts'
import {
  CAPABILITY_IGNORE_SHARED,
  DEFAULT_PAGE_SIZE,
  ELEMENT_CONFIGURATION,
  ELEMENT_SUBSECTION,
  isPageSize,
  MAX_CAPABILITIES,
  MAX_NAME_BYTES,
} from './stream-format.ts'
import type { StreamReader } from './stream-reader.ts'

/** How the RAM section is written; also the name of the capability that says so. */
export type RamDialect = 'mapped-ram' | 'fixed-ram'

export interface Configuration {
  readonly machine: string
  readonly capabilities: readonly string[]
  /** Null unless the stream gives it, as it does when it is not the CPU's smallest. */
  readonly pageSize: number | null
}

export interface ReadConfiguration extends Configuration {
  /** The section's bytes without the capabilities, which are those of a file: what a migration stream opens with. */
  readonly plainRanges: readonly ByteRange[]
}

const PAGE_BITS = 'configuration/target-page-bits'
const CAPABILITIES = 'configuration/capabilities'
const UUID = 'configuration/uuid'
const UUID_BYTES = 16
const SUBSECTION_VERSION = 1

/** Reads the section, its leading byte included. */
export async function readConfiguration(reader: StreamReader): Promise<ReadConfiguration> {
  const at = reader.position
  const type = await reader.u8('configuration section')
  if (type !== ELEMENT_CONFIGURATION) {
    throw reader.error(at, 'configuration section', `type ${type}`, `type ${ELEMENT_CONFIGURATION}`, 'unsupported')
  }
  const machine = await readName(reader, 'machine type', 'u32')
  let capabilities: readonly string[] = []
  let pageSize: number | null = null
  const seen = new Set<string>()
  const plainRanges: ByteRange[] = []
  let plainFrom = at
  const closePlainRange = (end: number): void => {
    if (end > plainFrom) plainRanges.push({ offset: plainFrom, length: end - plainFrom })
  }
  while ((await reader.peek()) === ELEMENT_SUBSECTION) {
    const start = reader.position
    await reader.skip(1, 'subsection')
    const name = await readName(reader, 'subsection name', 'u8')
    if (seen.has(name)) throw reader.error(start, 'subsection', `a second ${name}`, 'each once')
    seen.add(name)
    await reader.expectU32(`version of ${name}`, SUBSECTION_VERSION, 'unsupported')
    if (name === PAGE_BITS) pageSize = await readPageBits(reader)
    else if (name === CAPABILITIES) {
      capabilities = await readCapabilities(reader)
      closePlainRange(start)
      plainFrom = reader.position
    } else if (name === UUID) await reader.skip(UUID_BYTES, 'VM uuid')
    else throw reader.error(start, 'subsection', name, [PAGE_BITS, CAPABILITIES, UUID].join(', '), 'unsupported')
  }
  closePlainRange(reader.position)
  return { machine, capabilities, pageSize, plainRanges }
}

async function readPageBits(reader: StreamReader): Promise<number> {
  const at = reader.position
  const bits = await reader.u32('target page bits')
  if (bits < 32 && isPageSize(2 ** bits)) return 2 ** bits
  throw reader.error(at, 'target page bits', bits, '9..30')
}

async function readCapabilities(reader: StreamReader): Promise<string[]> {
  const at = reader.position
  const count = await reader.u32('number of capabilities')
  if (count > MAX_CAPABILITIES) throw reader.error(at, 'number of capabilities', count, `at most ${MAX_CAPABILITIES}`)
  const names: string[] = []
  for (let i = 0; i < count; i++) names.push(await readName(reader, 'capability', 'u8'))
  return names
}

async function readName(reader: StreamReader, field: string, lengthType: 'u8' | 'u32'): Promise<string> {
  const at = reader.position
  const length = await reader[lengthType](`${field} length`)
  if (length < 1 || length > MAX_NAME_BYTES) throw reader.error(at, `${field} length`, length, `1..${MAX_NAME_BYTES}`)
  return reader.text(length, field)
}

/** Which of the two dialects the capabilities announce; refuses a stream in which pages have no fixed place. */
export function ramDialect(reader: StreamReader, at: number, capabilities: readonly string[]): RamDialect {
  if (capabilities.includes('mapped-ram')) return 'mapped-ram'
  if (capabilities.includes('fixed-ram')) return 'fixed-ram'
  const found = capabilities.length === 0 ? 'none' : capabilities.join(', ')
  const expected = 'mapped-ram: this is an ordinary migration stream, whose pages have no fixed place in the file'
  throw reader.error(at, 'capabilities', found, expected, 'unsupported')
}

export function ignoresShared(capabilities: readonly string[]): boolean {
  return capabilities.includes(CAPABILITY_IGNORE_SHARED)
}

/** The section as QEMU writes it; the page size is left out where it is the usual one. */
export function encodeConfiguration({ machine, capabilities, pageSize }: Configuration): Uint8Array {
  const out = new ByteWriter().u8(ELEMENT_CONFIGURATION).u32(machine.length).text(machine)
  const subsection = (name: string) => out.u8(ELEMENT_SUBSECTION).name(name).u32(SUBSECTION_VERSION)
  if (pageSize !== null && pageSize !== DEFAULT_PAGE_SIZE) subsection(PAGE_BITS).u32(Math.log2(pageSize))
  subsection(CAPABILITIES).u32(capabilities.length)
  for (const capability of capabilities) out.name(capability)
  return out.finish()
}
