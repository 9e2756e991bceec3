/** What is fuzzed: for each reader, good snapshots in memory and how they are read. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { resolveOptions } from '../../src/core/spec-string.ts'
import { SNAPSHOT_READERS } from '../../src/snapshot/formats/readers.ts'
import type { Snapshot } from '../../src/snapshot/snapshot.ts'
import { readZeroCache, writeZeroCache } from '../../src/snapshot/zero-cache.ts'
import { stateOf } from '../snapshot/formats/cloud-hypervisor-state.ts'
import { ANON, dumpFiles, FILE, LAZY, PARENT, PRESENT, SHARED, type TestDump } from '../snapshot/formats/criu-images.ts'
import { encodeHeader, uuid } from '../snapshot/formats/e2b-header.ts'
import type { MemoryFile, MemoryTree } from '../snapshot/formats/memory-folder.ts'
import { PAGE } from '../snapshot/formats/support.ts'
import { encode, smallContent, written } from '../snapshot/support.ts'

const FIXTURES = join(import.meta.dirname, '../fixtures/snapshots')

/** A file that may be changed. */
export interface Seed extends MemoryFile {
  readonly bytes: Buffer
  /** Bytes from the start on that are worth changing. */
  readonly hot: number
}

export interface FuzzCase {
  readonly files: ReadonlyMap<string, Seed>
  readonly links?: ReadonlyMap<string, string>
  /** What is opened. */
  readonly path: string
}

export interface FuzzedReader {
  readonly name: string
  readonly cases: readonly FuzzCase[]
  /** Null: read, and no snapshot. */
  read(tree: MemoryTree, path: string): Promise<Snapshot | null>
}

const seed = (bytes: Buffer | string, hot = Number.POSITIVE_INFINITY): Seed => ({ bytes: Buffer.from(bytes), hot })

function readAs(format: string): FuzzedReader['read'] {
  const reader = SNAPSHOT_READERS.find(other => other.format === format)!
  const options = resolveOptions({ name: format, options: {}, positional: null }, reader.options)
  const readWith = async (tree: MemoryTree, path: string): Promise<Snapshot> =>
    reader.read(await tree.subject(path), options, async name => readRaw(tree, join(join(path, '..'), name)))
  return readWith
}

async function readRaw(tree: MemoryTree, path: string): Promise<Snapshot> {
  const raw = SNAPSHOT_READERS.find(({ format }) => format === 'raw')!
  const never = () => Promise.reject(new Error('a raw image names no other'))
  return raw.read(
    await tree.subject(path),
    resolveOptions({ name: 'raw', options: {}, positional: null }, raw.options),
    never,
  )
}

const oneFile = (bytes: Buffer, hot: number): FuzzCase => ({ files: new Map([['/vm', seed(bytes, hot)]]), path: '/vm' })

/** Small: with pages of 512 bytes and pages areas that begin at the next MiB, a file is 2 MiB that hardly matter. */
async function qemuCases(): Promise<FuzzCase[]> {
  const contents = [
    smallContent(),
    smallContent({ capabilities: ['x-ignore-shared', 'mapped-ram'] }),
    smallContent({ format: 'fixed-ram' }),
  ]
  const cases: FuzzCase[] = []
  for (const content of contents) {
    const { blocks } = content
    // One block: the rest of the stream then stands behind 1 MiB, and changes there are rare, as in real files.
    cases.push(oneFile(await encode({ ...content, blocks: [blocks[0]] }), 256))
  }
  const header = Buffer.alloc(92)
  header.write('LibvirtQemudSave', 'latin1')
  header.writeUInt32LE(2, 16)
  cases.push(oneFile(Buffer.concat([header, Buffer.from('QEVM\0\0\0\x03\x07\0\0\0\x02pc', 'latin1')]), 256))
  return cases
}

function elfCases(): FuzzCase[] {
  return ['guest-2m', 'around-4g'].map(name => {
    const bytes = gunzipSync(readFileSync(join(FIXTURES, 'elf-core', `${name}.elf.gz`)))
    // Segments and headers are what is read; pages behind them are few here.
    return oneFile(bytes, 640)
  })
}

function criuCases(): FuzzCase[] {
  const base: TestDump = {
    pid: 7,
    mappings: [
      { page: 0x1000, pages: 6, status: ANON },
      { page: 0x1006, pages: 4, status: ANON },
      { page: 0x2000, pages: 8, status: FILE },
      { page: 0x4000, pages: 2, status: SHARED, sharedId: 9 },
    ],
    entries: [
      { page: 0x1001, pages: 2, flags: PRESENT | LAZY, seeds: [11, 12] },
      { page: 0x1005, pages: 3, flags: PRESENT, seeds: [15, 16, 17] },
      { page: 0x2001, pages: 1, flags: null, seeds: [21] },
    ],
    shared: { 9: [{ page: 1, pages: 1, flags: PRESENT, seeds: [31] }] },
  }
  const next: TestDump = {
    ...base,
    entries: [
      { page: 0x1001, pages: 2, flags: PARENT },
      { page: 0x1005, pages: 2, flags: PARENT },
      { page: 0x1007, pages: 1, flags: PRESENT, seeds: [217] },
    ],
  }
  const files = new Map<string, Seed>()
  for (const [folder, dump] of [
    ['/a', base],
    ['/b', next],
  ] as const) {
    for (const [name, bytes] of Object.entries(dumpFiles(dump))) files.set(`${folder}/${name}`, seed(bytes))
  }
  const real = new Map<string, Seed>()
  for (const name of ['inventory.img', 'pstree.img', 'mm-18786.img', 'pagemap-18786.img']) {
    real.set(`/d/${name}`, seed(readFileSync(join(FIXTURES, 'criu-4.1', name))))
  }
  real.set('/d/pages-1.img', seed(Buffer.alloc(1380 * PAGE, 1), 0))
  return [
    { files, links: new Map([['/b/parent', '/a']]), path: '/b' },
    { files: real, path: '/d' },
  ]
}

function cloudHypervisorCase(): FuzzCase {
  const data = [
    { gpa: 0, length: 2 * PAGE },
    { gpa: 2 ** 32, length: 3 * PAGE },
  ]
  const files = new Map([
    ['/c/state.json', seed(stateOf({ memory_ranges: { data }, boot_ram: 1 }))],
    ['/c/memory-ranges', seed(Buffer.alloc(5 * PAGE, 1), 0)],
  ])
  return { files, path: '/c' }
}

function e2bCase(): FuzzCase {
  const ranges = [
    { offset: 0, length: 2, build: 'b', at: 0 },
    { offset: 2, length: 3, build: '0', at: 0 },
    { offset: 5, length: 1, build: 'd', at: 1 },
    { offset: 6, length: 2, build: 'b', at: 1 },
  ]
  const files = new Map([
    [`/e/${uuid('d')}/memfile.header`, seed(encodeHeader({ pages: 8, ranges }))],
    [`/e/${uuid('d')}/memfile`, seed(Buffer.alloc(2 * PAGE, 1), 0)],
    [`/e/${uuid('b')}/memfile`, seed(Buffer.alloc(3 * PAGE, 1), 0)],
  ])
  return { files, path: `/e/${uuid('d')}/memfile.header` }
}

function layersCase(): FuzzCase {
  const runs = (...pages: number[]) => pages.map(page => ({ offset: page * PAGE, length: PAGE }))
  const files = new Map<string, Seed>([
    ['/l/list', seed('lazyrestore layers 1\nbase\n# a comment\none\ntwo\n')],
    ['/l/base', { ...seed(Buffer.alloc(8 * PAGE, 1)), runs: runs(0, 3) }],
    ['/l/one', { ...seed(Buffer.alloc(8 * PAGE, 2)), runs: runs(1, 3) }],
    ['/l/two', { ...seed(Buffer.alloc(8 * PAGE, 3)), runs: runs(7) }],
  ])
  return { files, path: '/l/list' }
}

function firecrackerCase(): FuzzCase {
  const state = Buffer.alloc(64)
  state.writeBigUInt64LE(0x0710_1984_8664_0000n)
  const files = new Map([
    ['/f/vmstate', seed(state, 12)],
    ['/f/memory', seed(Buffer.alloc(2 ** 20, 1))],
  ])
  return { files, path: '/f/memory' }
}

export async function fuzzedReaders(): Promise<FuzzedReader[]> {
  const header = { snapshotIdentity: 'a'.repeat(64), files: 'b'.repeat(64), bitmapBytes: 8 }
  const cache = await written(sink => writeZeroCache(sink, header, [new Uint32Array([5, 6])]))
  return [
    { name: 'mapped-ram', cases: await qemuCases(), read: readAs('mapped-ram') },
    { name: 'elf-core', cases: elfCases(), read: readAs('elf-core') },
    { name: 'criu', cases: criuCases(), read: readAs('criu') },
    { name: 'cloud-hypervisor', cases: [cloudHypervisorCase()], read: readAs('cloud-hypervisor') },
    { name: 'e2b', cases: [e2bCase()], read: readAs('e2b') },
    { name: 'layers', cases: [layersCase()], read: readAs('layers') },
    { name: 'firecracker', cases: [firecrackerCase()], read: readAs('firecracker') },
    { name: 'raw', cases: [oneFile(Buffer.alloc(6 * PAGE, 1), Number.POSITIVE_INFINITY)], read: readAs('raw') },
    {
      name: 'zero-cache',
      cases: [oneFile(cache, Number.POSITIVE_INFINITY)],
      read: async (tree, path) => {
        await readZeroCache(tree.open(path)!)
        return null
      },
    },
  ]
}
