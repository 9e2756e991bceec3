/** The memory of one restore: a region for each RAM block, registered with userfaultfd, mapped from the file, or left as it is. */
import { readFileSync } from 'node:fs'
import { type Bitmap, nextClearBit, nextSetBit } from '../../core/bitmap.ts'
import { LazyRestoreError } from '../../core/error.ts'
import { formatBytes, KIB } from '../../core/units.ts'
import { dataBytes, type Layout } from '../../destination/layout.ts'
import { loadPages } from '../../snapshot/load.ts'
import { placedRunLength, placeOffset, rankOf } from '../../snapshot/page-places.ts'
import { errnoName, O_CLOEXEC, UFFDIO_REGISTER_MODE_MISSING } from '../constants.ts'
import { MemoryRegion } from '../memory-region.ts'
import { libc } from '../native.ts'
import { Userfaultfd } from '../userfaultfd.ts'
import { AddressMap } from './address-map.ts'
import type { SnapshotFiles } from './snapshot-files.ts'

const PROT_READ_WRITE = 3
const MAP_PRIVATE_FIXED = 0x12
const MADV_NOHUGEPAGE = 15

export class DestinationMemory {
  readonly layout: Layout
  readonly regions: readonly MemoryRegion[]
  readonly map: AddressMap
  #userfaultfd: Userfaultfd | null = null
  /** A thread did not end and may still touch the memory. */
  isAbandoned = false

  /** @throws LazyRestoreError `limit` when the host has not that much memory; `unsupported` without koffi or huge pages */
  constructor(layout: Layout) {
    checkMemory(layout)
    this.layout = layout
    const regions: MemoryRegion[] = []
    this.regions = regions
    try {
      for (const { kind, hostPageSize, firstHostPage, endHostPage } of layout.blocks) {
        const byteLength = (endHostPage - firstHostPage) * hostPageSize
        const region = new MemoryRegion({ kind, hostPageSize, byteLength })
        regions.push(region)
        // Small pages are what was asked for, and what is modelled.
        if (kind !== 'hugetlb') libc().madvise(region.address, byteLength, MADV_NOHUGEPAGE)
      }
    } catch (error) {
      this.close()
      throw error
    }
    const addresses = this.regions.map(({ address }) => address)
    this.map = new AddressMap(layout, addresses)
  }

  /** The userfaultfd that the memory is registered with; -1: none. */
  get descriptor(): number {
    return this.#userfaultfd?.descriptor ?? -1
  }

  /**
   * Opens a userfaultfd for `register`.
   * @param features UFFD_FEATURE_* that are good to have; the kernel gives all or none
   * @throws LazyRestoreError `unsupported`
   */
  openUserfaultfd(features = 0): void {
    this.#userfaultfd = Userfaultfd.open()
    // Where it refuses, it may be asked again.
    if (features !== 0 && this.#userfaultfd.api(features) === 'done') return
    this.#check('api', this.#userfaultfd.api(0))
  }

  /** From now on a touch of a page that is not installed waits for it. @throws LazyRestoreError `io` */
  register(): void {
    for (const { address, byteLength } of this.regions) {
      this.#check('register', this.#userfaultfd!.register(address, byteLength, UFFDIO_REGISTER_MODE_MISSING))
    }
  }

  /** Maps every run of data from the snapshot's files over the memory. @throws LazyRestoreError `io` */
  mapFiles(files: SnapshotFiles): void {
    const opened = new MappedFiles()
    try {
      for (const { block, index } of this.layout.blocks) {
        const { bitmap, pageCount, pageSize, pagesOffset, places = null } = block
        for (
          let page = nextSetBit(bitmap, 0, pageCount);
          page < pageCount;
          page = nextSetBit(bitmap, page, pageCount)
        ) {
          const past = nextClearBit(bitmap, page, pageCount)
          const rank = places === null ? 0 : rankOf(places, places.firstPage + page)
          const end = places === null ? past : page + placedRunLength(places, rank, past - page)
          const origin = places === null ? 0 : places.origin[rank]
          const offset = places === null ? pagesOffset + page * pageSize : placeOffset(places, rank, page, pageSize)
          const address = this.map.blockAddress[index] + page * pageSize
          opened.map(files[origin], address, offset, (end - page) * pageSize)
          page = end
        }
      }
    } finally {
      // Mappings keep their files.
      opened.close()
    }
  }

  /** Closes the userfaultfd: whoever still waits goes on, with zeros. No thread may use it any more. */
  release(): void {
    this.#userfaultfd?.close()
    this.#userfaultfd = null
  }

  /** Abandoned memory stays mapped. May be called twice. */
  close(): void {
    if (this.isAbandoned) return
    this.release()
    for (const region of this.regions) region.close()
  }

  #check(call: string, outcome: string): void {
    if (outcome === 'done') return
    const found = errnoName(this.#userfaultfd!.errno)
    throw new LazyRestoreError('io', `userfaultfd: ${call}: found ${found}, expected success`)
  }
}

/** One file open at a time: a snapshot may have thousands, and their pages mostly come in runs. */
class MappedFiles {
  #path = ''
  #file = -1

  map(path: string, address: number, offset: number, length: number): void {
    if (path !== this.#path) {
      this.close()
      this.#file = libc().open(path, O_CLOEXEC)
      if (this.#file < 0) throw new LazyRestoreError('io', `${path}: open: found ${errnoName(libc().errno())}`)
      this.#path = path
    }
    if (libc().mmap(address, length, PROT_READ_WRITE, MAP_PRIVATE_FIXED, this.#file, offset) !== -1) return
    const found = errnoName(libc().errno())
    throw new LazyRestoreError('io', `${path}: mmap of ${length} bytes at ${offset}: found ${found}`)
  }

  close(): void {
    if (this.#file >= 0) libc().close(this.#file)
    this.#file = -1
    this.#path = ''
  }
}

/**
 * Compares the memory with what an eager load leaves.
 * @param installed host pages that must be there; null: all
 * @throws LazyRestoreError `mismatch` at the first byte that differs, with block and offset
 */
export async function verifyMemory(memory: DestinationMemory, installed: Bitmap | null): Promise<void> {
  const { layout, regions, map } = memory
  for (const { block, index, firstHostPage, pageShift } of layout.blocks) {
    const { resident } = regions[index]
    for await (const { firstPage, bytes } of loadPages(layout.snapshot, block)) {
      const pages = bytes.length / block.pageSize
      for (let page = 0; page < pages; ) {
        const [start, end] = installedRun(installed, firstHostPage, pageShift, firstPage + page, firstPage + pages)
        if (start >= firstPage + pages) break
        const expected = bytes.subarray((start - firstPage) * block.pageSize, (end - firstPage) * block.pageSize)
        const offset = start * block.pageSize
        const difference = resident.compare(map.blockAddress[index] + offset, expected)
        if (difference !== null) {
          const at = `block ${block.name}: offset ${offset + difference.offset}`
          const found = difference.kind === 'missing' ? 'nothing installed' : 'other bytes'
          throw new LazyRestoreError('mismatch', `${at}: found ${found}, expected what an eager load leaves`)
        }
        page = end - firstPage
      }
    }
  }
}

/** The first run of target pages in [from, end) that lie on installed host pages. */
function installedRun(
  installed: Bitmap | null,
  firstHostPage: number,
  pageShift: number,
  from: number,
  end: number,
): [start: number, end: number] {
  if (installed === null) return [from, end]
  const scale = 2 ** pageShift
  const lastHostPage = firstHostPage + Math.ceil(end / scale)
  const hostPage = nextSetBit(installed, firstHostPage + Math.floor(from / scale), lastHostPage)
  const past = nextClearBit(installed, hostPage, lastHostPage)
  return [
    Math.min(end, Math.max(from, (hostPage - firstHostPage) * scale)),
    Math.min(end, (past - firstHostPage) * scale),
  ]
}

/** A restore that the host has no memory for would be ended by the kernel, and others with it. Pages of a pool are counted apart. */
function checkMemory(layout: Layout): void {
  const blocks = layout.blocks.filter(({ kind }) => kind !== 'hugetlb')
  const wanted = dataBytes(layout, blocks)
  const available = availableBytes()
  if (available === null || wanted <= available) return
  throw new LazyRestoreError(
    'limit',
    `memory: found ${formatBytes(available)} available, expected ${formatBytes(wanted)} for the snapshot's data`,
  )
}

function availableBytes(): number | null {
  const match = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'latin1'))
  return match === null ? null : Number(match[1]) * KIB
}
