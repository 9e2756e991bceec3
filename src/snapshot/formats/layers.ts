/**
 * A chain of diffs over a base: a text file whose first line is `lazyrestore layers 1` and whose others are paths, from its own
 * folder on, the base first. Empty lines and lines that begin with `#` are passed over. The base is any snapshot whose
 * pages lie in order in one file, written as on a command line (`firecracker:mem,arch=aarch64`). A diff is a sparse file as long
 * as the base's memory is: the blocks one after the other, pages that did not change left as holes, as Firecracker writes diff
 * snapshots. A page that a diff has as zeros hides what is below.
 *
 * The chain is resolved once, when it is opened, and costs nothing afterwards: see page-places.ts.
 */
import { countBits, nextClearBit, nextSetBit } from '../../core/bitmap.ts'
import { LazyRestoreError } from '../../core/error.ts'
import { MIB } from '../../core/units.ts'
import { type ByteSource, readWhole } from '../byte-source.ts'
import { formatError } from '../format-error.ts'
import { checkPageCount, expectFile, imageSnapshot } from '../memory-image.ts'
import {
  draftPlaces,
  nextOrigin,
  type Origin,
  type PagePlaces,
  type PlacesDraft,
  packPlaces,
  placedPages,
  placePages,
} from '../page-places.ts'
import { ScatteredSource } from '../scattered-source.ts'
import type { ByteRange, RamBlock, Snapshot, SnapshotLayer } from '../snapshot.ts'
import type { StoredFile } from '../stored-file.ts'
import { type OpenOther, snapshotReader } from './reader.ts'

export const LAYERS_HEADER = 'lazyrestore layers 1\n'
const MAX_LIST_BYTES = 16 * MIB
const MAX_LAYERS = 65_000

export const layersReader = snapshotReader({
  format: 'layers',
  writtenBy: 'people, or lazyrestore snapshot stack',
  options: {},
  recognises: ({ head }) => head.toString('latin1', 0, LAYERS_HEADER.length) === LAYERS_HEADER,
  async read(subject, _, openOther) {
    const list = expectFile(subject, 'a list of layers')
    const [base, ...diffs] = await readPaths(list)
    const chain = new Chain(list.name, base, await openBase(list, base, openOther))
    for (const { path, offset } of diffs) {
      const file = await subject.folder.open(path)
      if (file === null) {
        throw formatError({ name: list.name, offset, field: 'layer', found: path, expected: 'a file that is there' })
      }
      chain.add(file)
    }
    return chain.snapshot()
  },
})

async function openBase({ name }: StoredFile, { path, offset }: ListedPath, openOther: OpenOther): Promise<Snapshot> {
  try {
    return await openOther(path)
  } catch (cause) {
    // What is wrong inside the base says so itself.
    if (!(cause instanceof LazyRestoreError) || cause.code !== 'io') throw cause
    const expected = 'a snapshot that can be opened'
    throw formatError({ name, offset, field: 'base', found: cause.message, expected, code: 'io' })
  }
}

interface ListedPath {
  readonly path: string
  /** Of the line in the list. */
  readonly offset: number
}

async function readPaths(list: StoredFile): Promise<ListedPath[]> {
  const { name } = list
  const bytes = await readWhole(list, MAX_LIST_BYTES)
  const paths: ListedPath[] = []
  for (let start = LAYERS_HEADER.length; start < bytes.length; ) {
    const newline = bytes.indexOf(0x0a, start)
    const end = newline < 0 ? bytes.length : newline
    const path = bytes.toString('utf8', start, end).trim()
    if (path.includes('\0')) throw formatError({ name, offset: start, field: 'layer', found: path, expected: 'a path' })
    if (path !== '' && !path.startsWith('#')) paths.push({ path, offset: start })
    start = end + 1
  }
  if (paths.length >= 1 && paths.length <= MAX_LAYERS) return paths
  const expected = `1 to ${MAX_LAYERS}`
  throw formatError({ name, offset: LAYERS_HEADER.length, field: 'layers', found: paths.length, expected })
}

interface ChainBlock {
  readonly block: RamBlock
  /** Of the block's page 0 in the chain's memory. */
  readonly firstPage: number
}

/** Puts layer over layer. */
class Chain {
  readonly #name: string
  readonly #base: Snapshot
  readonly #pageSize: number
  readonly #blocks: ChainBlock[] = []
  readonly #places: PlacesDraft
  readonly #origins: Origin<StoredFile>[] = []
  readonly #layers: { name: string; storedPages: number; firstOrigin: number }[] = []

  /** @throws LazyRestoreError `unsupported` for a base that is not one file */
  constructor(name: string, { offset }: ListedPath, base: Snapshot) {
    this.#name = name
    this.#base = base
    const blocks = base.blocks.filter(({ ignored }) => !ignored)
    const source = base.source
    if (!isStoredFile(source) || blocks.length === 0) {
      const found = `${base.format}, whose memory is in no file or in several`
      const expected = 'a snapshot in one file: make one with snapshot convert'
      throw formatError({ name, offset, field: 'base', found, expected, code: 'unsupported' })
    }
    this.#pageSize = blocks[0].pageSize
    let pages = 0
    for (const block of blocks) {
      this.#blocks.push({ block, firstPage: pages })
      pages += block.pageCount
    }
    checkPageCount(name, 0, pages)
    this.#places = draftPlaces(this.#pageSize, pages, false)
    this.#layers.push({ name: base.name, storedPages: 0, firstOrigin: 1 })
    for (const { block, firstPage } of this.#blocks) {
      const origin = nextOrigin(name, this.#origins)
      this.#origins.push({ file: source, base: block.pagesOffset - firstPage * this.#pageSize })
      this.#layers[0].storedPages += block.setBits
      const { bitmap, pageCount } = block
      for (let page = nextSetBit(bitmap, 0, pageCount); page < pageCount; page = nextSetBit(bitmap, page, pageCount)) {
        const past = nextClearBit(bitmap, page, pageCount)
        placePages(this.#places, firstPage + page, past - page, origin)
        page = past
      }
    }
  }

  /** @throws LazyRestoreError `format` for a file that cannot be a diff of the base */
  add(file: StoredFile): void {
    const { runs, isExact } = file.dataRuns()
    const { name, byteLength } = file
    const memoryBytes = this.#places.pageCount * this.#pageSize
    if (byteLength !== memoryBytes) {
      const expected = `${memoryBytes}, as the base has memory`
      throw formatError({ name, offset: byteLength, field: 'end of the file', found: `${byteLength} bytes`, expected })
    }
    if (!isExact) {
      const found = 'no holes, although it has fewer bytes on disk, or a host that cannot look for them'
      const expected = 'holes where the diff has no pages'
      throw formatError({ name, offset: 0, field: 'data of the diff', found, expected, code: 'unsupported' })
    }
    const origin = nextOrigin(this.#name, this.#origins)
    this.#origins.push({ file, base: 0 })
    let storedPages = 0
    for (const run of runs) {
      const [first, count] = this.#pagesOf(file, run)
      placePages(this.#places, first, count, origin)
      storedPages += count
    }
    this.#layers.push({ name, storedPages, firstOrigin: origin })
  }

  /** Once: then the chain is used up. */
  snapshot(): Snapshot {
    const places = packPlaces(this.#places)
    const blocks = this.#blocks.map(({ block, firstPage }) => {
      const bitmap = placedPages(places, firstPage, block.pageCount)
      return {
        ...block,
        bitmap,
        setBits: countBits(bitmap, 0, block.pageCount),
        bitmapOffset: null,
        pagesOffset: firstPage * this.#pageSize,
      }
    })
    const source = new ScatteredSource(this.#name, places, this.#origins)
    return imageSnapshot('layers', this.#name, source, blocks, {
      machine: this.#base.machine,
      layers: this.#facts(places),
    })
  }

  /** A diff is written page by page, so its runs are whole pages. */
  #pagesOf({ name }: StoredFile, { offset, length }: ByteRange): [first: number, count: number] {
    const size = this.#pageSize
    if (offset % size === 0 && length % size === 0) return [offset / size, length / size]
    const expected = `whole pages of ${size}`
    throw formatError({ name, offset, field: 'data of the diff', found: `${length} bytes`, expected })
  }

  /** What each layer has, and what is taken from it. */
  #facts({ origin }: PagePlaces): SnapshotLayer[] {
    const used = new Float64Array(this.#origins.length + 1)
    for (let rank = 0; rank < origin.length; rank++) used[origin[rank]]++
    return this.#layers.map(({ name, storedPages, firstOrigin }, i) => {
      const end = this.#layers[i + 1]?.firstOrigin ?? used.length
      return { name, storedPages, usedPages: used.subarray(firstOrigin, end).reduce((sum, n) => sum + n, 0) }
    })
  }
}

function isStoredFile(source: ByteSource): source is StoredFile {
  return 'dataRuns' in source
}
