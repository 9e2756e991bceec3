/**
 * E2B's memfile header, version 3 (e2b-dev/infra packages/shared/pkg/storage/header): a chain of builds that is resolved
 * already. 64 bytes of metadata, then ranges of 40 bytes that cover the memory without a gap, each with the build that has its
 * bytes and their offset in that build's memfile; the build of all zeros means zero pages. Little-endian.
 *
 * Builds lie side by side as in E2B's storage, `BUILD/memfile` beside `BUILD/memfile.header`, or where `builds` says. Versions
 * 4 and 5 are compressed, and so are their memfiles: refused.
 */
import { option } from '../../core/spec-string.ts'
import { GIB, MIB } from '../../core/units.ts'
import { BinaryTable } from '../binary-table.ts'
import { checkPageCount, expectFile, imageBlock, imageSnapshot, PAGE_BYTES } from '../memory-image.ts'
import { draftPlaces, nextOrigin, type Origin, packPlaces, placedPages, placePages } from '../page-places.ts'
import { ScatteredSource } from '../scattered-source.ts'
import type { SnapshotLayer } from '../snapshot.ts'
import { fileName, type StoredFile, type Subject } from '../stored-file.ts'
import { snapshotReader } from './reader.ts'

const VERSION = 3
const METADATA_BYTES = 64
const RANGE_BYTES = 40
const MAX_HEADER_BYTES = 64 * MIB
const MAX_BLOCK_BYTES = GIB
/** 1 TiB: a header of a few bytes may claim any size. */
const MAX_PAGES = 2 ** 28
const NO_BUILD = '00000000-0000-0000-0000-000000000000'

/** Fields of the metadata and of a range. */
const AT = { version: 0, blockSize: 8, size: 16, generation: 24, buildId: 32, baseBuildId: 48 } as const
const RANGE = { offset: 0, length: 8, buildId: 16, storageOffset: 32 } as const

export const e2bReader = snapshotReader({
  format: 'e2b',
  writtenBy: "E2B's orchestrator: memfile.header, version 3",
  options: { builds: option('text', '', 'folder with a folder for each build; the one above by default') },
  recognises({ head }) {
    if (head.length < METADATA_BYTES) return false
    const [version, blockSize] = [head.readBigUInt64LE(AT.version), head.readBigUInt64LE(AT.blockSize)]
    const isBlockSize = blockSize >= PAGE_BYTES && blockSize <= MAX_BLOCK_BYTES && (blockSize & (blockSize - 1n)) === 0n
    return version >= 1n && version <= 5n && isBlockSize
  },
  async read(subject, { builds }) {
    const file = expectFile(subject, 'a memfile header')
    const header = await readHeader(file)
    const memory = new BuiltMemory(subject, header, builds)
    for (const range of header.ranges) await memory.place(range)
    return memory.snapshot()
  },
})

interface HeaderRange {
  readonly firstPage: number
  readonly pages: number
  readonly build: string
  /** In the build's memfile. */
  readonly offset: number
  /** Offset of the range in the header. */
  readonly at: number
}

interface Header {
  readonly table: BinaryTable
  readonly pages: number
  readonly build: string
  readonly baseBuild: string
  readonly ranges: readonly HeaderRange[]
}

async function readHeader(file: StoredFile): Promise<Header> {
  const { byteLength } = file
  const table = await BinaryTable.read(file, 0, Math.min(byteLength, MAX_HEADER_BYTES), 'header')
  if (byteLength < METADATA_BYTES) throw table.error(byteLength, 'metadata', 'the end of the file', '64 bytes')
  if (byteLength > MAX_HEADER_BYTES) throw table.error(0, 'length', byteLength, `at most ${MAX_HEADER_BYTES}`, 'limit')
  const version = table.u64(AT.version, 'version')
  if (version !== VERSION) throw table.error(AT.version, 'version', version, `${VERSION}, uncompressed`, 'unsupported')
  const size = table.u64(AT.size, 'size')
  if (size === 0 || size % PAGE_BYTES !== 0) throw table.error(AT.size, 'size', size, `a multiple of ${PAGE_BYTES}`)
  checkPageCount(file.name, AT.size, size / PAGE_BYTES, MAX_PAGES)
  const blockSize = table.u64(AT.blockSize, 'block size')
  const build = uuidAt(table, AT.buildId)
  const ranges = readRanges(table, byteLength, size, blockSize)
  // A build without ranges is whole.
  if (ranges.length === 0) ranges.push({ firstPage: 0, pages: size / PAGE_BYTES, build, offset: 0, at: AT.buildId })
  return { table, pages: size / PAGE_BYTES, build, baseBuild: uuidAt(table, AT.baseBuildId), ranges }
}

/** Each begins where the one before it ends; the last one may go on to the end of its block. */
function readRanges(table: BinaryTable, headerBytes: number, size: number, blockSize: number): HeaderRange[] {
  const ranges: HeaderRange[] = []
  const rest = (headerBytes - METADATA_BYTES) % RANGE_BYTES
  if (rest !== 0) throw table.error(headerBytes - rest, 'range', `${rest} bytes`, `${RANGE_BYTES}`)
  let expected = 0
  for (let at = METADATA_BYTES; at < headerBytes; at += RANGE_BYTES) {
    const start = table.u64(at + RANGE.offset, 'offset of the range')
    const length = table.u64(at + RANGE.length, 'length of the range')
    const offset = table.u64(at + RANGE.storageOffset, 'offset in the build')
    if (start !== expected || start >= size)
      throw table.error(at, 'offset of the range', start, Math.min(expected, size - 1))
    if (length === 0 || length % PAGE_BYTES !== 0 || start + length > size + blockSize) {
      const limit = `a multiple of ${PAGE_BYTES} inside the size of ${size}`
      throw table.error(at + RANGE.length, 'length of the range', length, limit)
    }
    if (offset % PAGE_BYTES !== 0) {
      throw table.error(at + RANGE.storageOffset, 'offset in the build', offset, `a multiple of ${PAGE_BYTES}`)
    }
    const pages = Math.min(length, size - start) / PAGE_BYTES
    ranges.push({ firstPage: start / PAGE_BYTES, pages, build: uuidAt(table, at + RANGE.buildId), offset, at })
    expected = start + length
  }
  if (ranges.length > 0 && expected < size) throw table.error(headerBytes, 'end of the ranges', expected, size)
  return ranges
}

/** As text, as E2B names folders. */
function uuidAt({ bytes }: BinaryTable, at: number): string {
  const hex = bytes.toString('hex', at, at + 16)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

interface Build {
  readonly file: StoredFile
  readonly origin: number
  usedPages: number
}

class BuiltMemory {
  readonly #subject: Subject
  readonly #header: Header
  readonly #folder: string
  readonly #places
  readonly #origins: Origin<StoredFile>[] = []
  readonly #builds = new Map<string, Build>()

  constructor(subject: Subject, header: Header, folder: string) {
    this.#subject = subject
    this.#header = header
    this.#folder = folder === '' ? '..' : folder
    this.#places = draftPlaces(PAGE_BYTES, header.pages, true)
  }

  async place({ firstPage, pages, build: id, offset, at }: HeaderRange): Promise<void> {
    if (id === NO_BUILD) return
    const build = await this.#build(id, at)
    const end = offset + pages * PAGE_BYTES
    const { byteLength } = build.file
    if (end > byteLength) {
      const expected = `at most ${byteLength}, the length of ${build.file.name}`
      throw this.#header.table.error(at + RANGE.storageOffset, 'end in the build', end, expected)
    }
    placePages(this.#places, firstPage, pages, build.origin, offset / PAGE_BYTES)
    build.usedPages += pages
  }

  /** Once: then it is used up. */
  snapshot() {
    const { path } = this.#subject
    const region = { name: 'memfile', address: null, length: this.#header.pages * PAGE_BYTES, pagesOffset: 0 }
    const places = packPlaces(this.#places)
    const source = new ScatteredSource(path, places, this.#origins)
    const blocks = [imageBlock(region, PAGE_BYTES, placedPages(places, 0, this.#header.pages))]
    return imageSnapshot('e2b', path, source, blocks, { layers: this.#layers() })
  }

  async #build(id: string, at: number): Promise<Build> {
    const known = this.#builds.get(id)
    if (known !== undefined) return known
    const dataName = fileName(this.#subject).replace(/\.header$/, '')
    const { folder } = this.#subject
    const own = id === this.#header.build && dataName !== fileName(this.#subject) ? await folder.open(dataName) : null
    const file = own ?? (await folder.open(`${this.#folder}/${id}/${dataName}`))
    if (file === null) {
      const expected = `a file ${this.#folder}/${id}/${dataName}`
      throw this.#header.table.error(at, 'build', id, expected)
    }
    const build = { file, origin: nextOrigin(this.#subject.path, this.#origins), usedPages: 0 }
    this.#origins.push({ file, base: 0 })
    this.#builds.set(id, build)
    return build
  }

  /** The base build first, this one last, the others as they are first used. */
  #layers(): SnapshotLayer[] {
    const { build: own, baseBuild } = this.#header
    const rank = (id: string) => (id === own ? 2 : id === baseBuild ? 0 : 1)
    return [...this.#builds]
      .sort(([a], [b]) => rank(a) - rank(b))
      .map(([id, { file, usedPages }]) => {
        return { name: id, storedPages: Math.floor(file.byteLength / PAGE_BYTES), usedPages }
      })
  }
}
