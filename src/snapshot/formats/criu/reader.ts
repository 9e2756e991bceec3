/**
 * A folder of CRIU images (criu dump, podman and runc checkpoint): the memory of one or more processes. Blocks are ranges of
 * their memory, `PID:0xADDRESS`, and shared memory, `shmem-ID`. Pages lie packed in the pages files of this dump and of those
 * that it was made over (`parent`). Specified by images/*.proto and criu/pagemap.c; the files of this folder say what is read.
 */
import { createBitmap, setBits } from '../../../core/bitmap.ts'
import { LazyRestoreError } from '../../../core/error.ts'
import { option } from '../../../core/spec-string.ts'
import { formatError } from '../../format-error.ts'
import { checkPageCount, imageBlock, imageSnapshot, PAGE_BYTES } from '../../memory-image.ts'
import { draftPlaces, nextOrigin, type Origin, type PlacesDraft, packPlaces, placePages } from '../../page-places.ts'
import { ScatteredSource } from '../../scattered-source.ts'
import type { RamBlock, SnapshotLayer } from '../../snapshot.ts'
import type { Folder, StoredFile } from '../../stored-file.ts'
import { snapshotReader } from '../reader.ts'
import { type PageRange, processRanges, sharedSizes } from './blocks.ts'
import { openChain, type PageSink, resolvePages } from './chain.ts'
import { INVENTORY_MAGIC } from './image-file.ts'
import { type Pagemap, readPagemap } from './pagemap.ts'
import { readMappings, readTasks } from './tasks.ts'

const INVENTORY = 'inventory.img'
/** Mappings, of all processes: a layout keeps some words for each. */
const MAX_RANGES = 65_536
/** 1 TiB: mappings may be far larger than what was dumped, and each page takes 6 bytes. */
const MAX_PAGES = 2 ** 28

export const criuReader = snapshotReader({
  format: 'criu',
  writtenBy: 'CRIU, criu dump or pre-dump: the folder',
  options: { pid: option('count', 0, 'the process to read; all of them by default') },
  async recognises({ file, folder }) {
    if (file !== null) return false
    const inventory = await folder.open(INVENTORY).catch(() => null)
    if (inventory === null || inventory.byteLength < 4) return false
    const magic = Buffer.alloc(4)
    await inventory.read(0, magic)
    return magic.readUInt32LE(0) === INVENTORY_MAGIC
  },
  async read({ path, file, folder }, { pid }) {
    if (file !== null) throw new LazyRestoreError('io', `${path}: found a file, expected a folder of CRIU images`)
    const chain = await openChain(folder)
    const areas = await readAreas(folder, pid)
    const pageCount = areas.reduce((sum, { ranges }) => sum + pagesOf(ranges), 0)
    checkPageCount(path, 0, pageCount, MAX_PAGES)
    if (areas.length === 0) {
      const found = pid === 0 ? 'no process with memory' : `no memory of process ${pid}`
      throw formatError({ name: path, offset: 0, field: 'processes', found, expected: 'at least one' })
    }
    const memory = new DumpedMemory(path, pageCount, chain)
    const blocks: RamBlock[] = []
    for (const area of areas) blocks.push(...(await memory.load(area)))
    const source = new ScatteredSource(path, packPlaces(memory.places), memory.origins)
    const layers = chain.length === 1 ? null : memory.layers()
    return imageSnapshot('criu', path, source, blocks, { layers })
  },
})

/** Memory with a pagemap of its own: a process's, or shared memory. */
interface Area {
  /** `18786`, or `shmem-1` */
  readonly name: string
  readonly image: string
  readonly pagemap: Pagemap
  readonly ranges: readonly PageRange[]
  readonly hasAddress: boolean
}

async function readAreas(folder: Folder, onlyPid: number): Promise<Area[]> {
  const areas: Area[] = []
  const shared = new Map<number, number>()
  let ranges = 0
  const add = (area: Area) => {
    ranges += area.ranges.length
    if (ranges > MAX_RANGES) {
      const found = `more than ${MAX_RANGES}`
      throw formatError({ name: folder.path, offset: 0, field: 'mappings', found, expected: 'fewer', code: 'limit' })
    }
    if (area.ranges.length > 0) areas.push(area)
  }
  for (const pid of await readTasks(folder)) {
    if (onlyPid !== 0 && pid !== onlyPid) continue
    const mappings = await readMappings(folder, pid)
    if (mappings === null) continue
    const image = `pagemap-${pid}.img`
    const pagemap = await expectPagemap(folder, image)
    add({ name: String(pid), image, pagemap, ranges: processRanges(mappings, pagemap), hasAddress: true })
    sharedSizes(mappings, shared)
  }
  for (const [id, bytes] of shared) {
    const image = `pagemap-shmem-${id}.img`
    const pagemap = await expectPagemap(folder, image)
    const last = pagemap.count - 1
    const pages = Math.max(bytes / PAGE_BYTES, last < 0 ? 0 : pagemap.firstPage[last] + pagemap.pages[last])
    add({ name: `shmem-${id}`, image, pagemap, ranges: [{ firstPage: 0, endPage: pages }], hasAddress: false })
  }
  return areas
}

async function expectPagemap(folder: Folder, image: string): Promise<Pagemap> {
  const pagemap = await readPagemap(folder, image)
  if (pagemap !== null) return pagemap
  throw formatError({ name: folder.path, offset: 0, field: 'folder', found: `no ${image}`, expected: 'one' })
}

function pagesOf(ranges: readonly PageRange[]): number {
  return ranges.reduce((sum, { firstPage, endPage }) => sum + (endPage - firstPage), 0)
}

/** Fills the index, area by area. */
class DumpedMemory {
  /** Of all areas that are loaded. */
  readonly places: PlacesDraft
  readonly origins: Origin<StoredFile>[] = []
  readonly #name: string
  readonly #chain: readonly Folder[]
  readonly #originOf = new Map<StoredFile, number>()
  readonly #stored: Float64Array
  readonly #used: Float64Array
  #nextPage = 0

  constructor(name: string, pageCount: number, chain: readonly Folder[]) {
    this.#name = name
    this.#chain = chain
    this.#stored = new Float64Array(chain.length)
    this.#used = new Float64Array(chain.length)
    this.places = draftPlaces(PAGE_BYTES, pageCount, true)
  }

  /** The area's ranges as blocks. */
  async load({ name, image, pagemap, ranges, hasAddress }: Area): Promise<RamBlock[]> {
    const drafts = ranges.map(({ firstPage, endPage }) => {
      const draft = { firstPage, endPage, start: this.#nextPage, bitmap: createBitmap(endPage - firstPage) }
      this.#nextPage += endPage - firstPage
      return draft
    })
    let at = 0
    const sink: PageSink = {
      level: (level, presentPages) => {
        this.#stored[level] += presentPages
        at = 0
      },
      place: (firstPage, count, file, slot, level) => {
        this.#used[level] += count
        const origin = this.#origin(file)
        for (let page = firstPage; page < firstPage + count; ) {
          while (drafts[at].endPage <= page) at++
          const draft = drafts[at]
          const past = Math.min(firstPage + count, draft.endPage)
          const inBlock = page - draft.firstPage
          setBits(draft.bitmap, inBlock, past - page)
          placePages(this.places, draft.start + inBlock, past - page, origin, slot + (page - firstPage))
          page = past
        }
      },
    }
    await resolvePages(this.#chain, image, pagemap, sink)
    return drafts.map(({ firstPage, endPage, start, bitmap }) => {
      const address = hasAddress ? firstPage * PAGE_BYTES : null
      const region = {
        name: address === null ? name : `${name}:0x${address.toString(16)}`,
        address,
        length: (endPage - firstPage) * PAGE_BYTES,
        pagesOffset: start * PAGE_BYTES,
      }
      return imageBlock(region, PAGE_BYTES, bitmap)
    })
  }

  layers(): SnapshotLayer[] {
    const layers = this.#chain.map(({ path }, level) => {
      return { name: path, storedPages: this.#stored[level], usedPages: this.#used[level] }
    })
    return layers.reverse()
  }

  #origin(file: StoredFile): number {
    let origin = this.#originOf.get(file)
    if (origin === undefined) {
      origin = nextOrigin(this.#name, this.origins)
      this.origins.push({ file, base: 0 })
      this.#originOf.set(file, origin)
    }
    return origin
  }
}
