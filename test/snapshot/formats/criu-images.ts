/** Writes CRIU images for tests: the framing and the few protobuf fields that a reader looks at. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PAGE, pageOf } from './support.ts'

export const PARENT = 1
export const LAZY = 2
export const PRESENT = 4
/** REGULAR with the sort of the mapping. */
export const ANON = 0x201
export const FILE = 0x41
export const SHARED = 0x101

type FieldValue = number | Buffer
export type Field = readonly [number: number, value: FieldValue]

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = BigInt(value)
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0))
    rest >>= 7n
  } while (rest > 0n)
  return Buffer.from(bytes)
}

export function message(...fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([field, value]) =>
      typeof value === 'number'
        ? [varint(field * 8), varint(value)]
        : [varint(field * 8 + 2), varint(value.length), value],
    ),
  )
}

export function image(magic: number, records: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(0x54564319, 0)
  head.writeUInt32LE(magic, 4)
  const framed = records.flatMap(record => {
    const length = Buffer.alloc(4)
    length.writeUInt32LE(record.length)
    return [length, record]
  })
  return Buffer.concat([head, ...framed])
}

export interface TestMapping {
  readonly page: number
  readonly pages: number
  readonly status: number
  readonly protection?: number
  readonly sharedId?: number
  readonly offset?: number
}

/** A pagemap entry; `flags: null` is of a dump that knew none. Present pages get the content of the seeds given. */
export interface TestEntry {
  readonly page: number
  readonly pages: number
  readonly flags: number | null
  readonly inParent?: boolean
  readonly seeds?: readonly number[]
}

export interface TestDump {
  readonly pid: number
  readonly mappings: readonly TestMapping[]
  readonly entries: readonly TestEntry[]
  readonly shared?: Readonly<Record<number, readonly TestEntry[]>>
  readonly parent?: string
}

/** The files of a dump by name. */
export function dumpFiles({ pid, mappings, entries, shared = {} }: TestDump): Record<string, Buffer> {
  const inventory = Buffer.alloc(8)
  inventory.writeUInt32LE(0x58313116)
  const vmas = mappings.map(({ page, pages, status, protection = 3, sharedId = 0, offset = 0 }) =>
    message(
      [1, page * PAGE],
      [2, (page + pages) * PAGE],
      [3, offset],
      [4, sharedId],
      [5, protection],
      [6, 0x22],
      [7, status],
    ),
  )
  const files: Record<string, Buffer> = {
    'inventory.img': inventory,
    'pstree.img': image(0x50273030, [message([1, pid], [2, 0], [3, pid], [4, pid], [5, pid])]),
    [`mm-${pid}.img`]: image(0x57492820, [message([1, 0x400000], ...vmas.map(vma => [14, vma] as const), [15, 1])]),
  }
  const maps: [string, readonly TestEntry[]][] = [[`pagemap-${pid}.img`, entries]]
  for (const [id, of] of Object.entries(shared)) maps.push([`pagemap-shmem-${id}.img`, of])
  for (const [i, [name, of]] of maps.entries()) {
    files[name] = image(0x56084025, [message([1, i + 1]), ...of.map(encodeEntry)])
    const seeds = of.flatMap(entry => entry.seeds ?? [])
    files[`pages-${i + 1}.img`] = Buffer.concat(seeds.map(pageOf))
  }
  return files
}

function encodeEntry({ page, pages, flags, inParent }: TestEntry): Buffer {
  const address: Field = [1, page * PAGE]
  if (flags === null) return message(address, [2, pages], ...(inParent === undefined ? [] : ([[3, 1]] as const)))
  return message(address, [4, flags], [5, pages])
}

/** Writes the dump into a folder, which must not be there. */
export function writeDump(folder: string, dump: TestDump): string {
  mkdirSync(folder, { recursive: true })
  for (const [name, bytes] of Object.entries(dumpFiles(dump))) writeFileSync(join(folder, name), bytes)
  if (dump.parent !== undefined) symlinkSync(dump.parent, join(folder, 'parent'))
  return folder
}
