/** What faults cost that the kernel resolves alone, seen by a thread that touches memory through a typed array. */
import { MIB } from '../../core/units.ts'
import { monotonicNs } from '../../uffd/engine/clock.ts'
import { MemoryRegion } from '../../uffd/memory-region.ts'
import { libc } from '../../uffd/native.ts'
import { type Probe, type Recorder, scattered } from './probe.ts'

const PAGE = 4096
const REGION_PAGES = 4096
/**
 * Touches in a row. Writes stand for what loads a snapshot too, page after page: the first ones after something else are dearer,
 * by half where the hypervisor keeps page tables of its own.
 */
const TOUCHES = 8
const WRITES = 64
const PROT_READ_WRITE = 3
const MAP_PRIVATE_FIXED = 0x12
const MAP_ANONYMOUS = 0x20
const MADV_DONTNEED = 4
const MADV_NOHUGEPAGE = 15
/** A page in each window of 64 KiB: a fault maps no neighbour of another touch (Linux fault_around_bytes). */
const WINDOW_PAGES = 16

/** Measures first touches of anonymous or shared memory, in pages of 4 KiB: `touch anon write` and the like. */
export class TouchProbe implements Probe {
  readonly #measure: string
  readonly #writes: boolean
  readonly #region: MemoryRegion
  readonly #bytes: Uint8Array
  #next = 0
  sum = 0

  constructor(kind: 'anon' | 'shmem', access: 'read' | 'write') {
    this.#measure = `touch ${kind} ${access}`
    this.#writes = access === 'write'
    this.#region = new MemoryRegion({ kind, hostPageSize: PAGE, byteLength: REGION_PAGES * PAGE })
    libc().madvise(this.#region.address, this.#region.byteLength, MADV_NOHUGEPAGE)
    this.#bytes = this.#region.view(0, this.#region.byteLength)
  }

  run(record: Recorder): void {
    const touches = this.#writes ? WRITES : TOUCHES
    for (let i = 0; i < touches; i++) {
      if (this.#next === REGION_PAGES) {
        this.#region.discard()
        this.#next = 0
      }
      const at = scattered(this.#next++, REGION_PAGES) * PAGE
      const startNs = monotonicNs()
      if (this.#writes) this.#bytes[at] = 1
      else this.sum += this.#bytes[at]
      record(this.#measure, monotonicNs() - startNs)
    }
  }

  close(): void {
    this.#region.close()
  }
}

/**
 * Measures a private mapping of a file that is in the page cache: `touch file read` maps a window; `touch file write` copies
 * a page that is not mapped yet, `touch file copy` one that is.
 */
export class FileMapProbe implements Probe {
  readonly #region: MemoryRegion
  readonly #bytes: Uint8Array
  readonly #windows: number
  #next = 0
  sum = 0

  /** @param byteLength of the file that is mapped, at most 1 GiB */
  constructor(file: number, byteLength: number) {
    this.#region = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength })
    libc().mmap(this.#region.address, byteLength, PROT_READ_WRITE, MAP_PRIVATE_FIXED, file, 0)
    this.#bytes = this.#region.view(0, byteLength)
    this.#windows = Math.floor(byteLength / PAGE / WINDOW_PAGES)
  }

  run(record: Recorder): void {
    for (let i = 0; i < TOUCHES; i++) {
      if (this.#next === this.#windows) {
        libc().madvise(this.#region.address, this.#region.byteLength, MADV_DONTNEED)
        this.#next = 0
      }
      const at = scattered(this.#next++, this.#windows) * WINDOW_PAGES * PAGE
      if (i % 2 === 0) {
        const startNs = monotonicNs()
        this.sum += this.#bytes[at]
        record('touch file read', monotonicNs() - startNs)
        const copyStartNs = monotonicNs()
        this.#bytes[at] = 1
        record('touch file copy', monotonicNs() - copyStartNs)
      } else {
        const startNs = monotonicNs()
        this.#bytes[at] = 1
        record('touch file write', monotonicNs() - startNs)
      }
    }
  }

  close(): void {
    this.#region.close()
  }
}

/** Measures `map`: mmap of 64 KiB of a file into the middle of other memory. */
export class MapProbe implements Probe {
  readonly #file: number
  readonly #region = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: 16 * MIB })

  constructor(file: number) {
    this.#file = file
  }

  run(record: Recorder): void {
    const { address, byteLength } = this.#region
    const c = libc()
    const slotBytes = WINDOW_PAGES * PAGE
    c.mmap(address, byteLength, PROT_READ_WRITE, MAP_PRIVATE_FIXED | MAP_ANONYMOUS, -1, 0)
    for (let i = 0; i < TOUCHES; i++) {
      const at = (2 * i + 1) * slotBytes
      const startNs = monotonicNs()
      c.mmap(address + at, slotBytes, PROT_READ_WRITE, MAP_PRIVATE_FIXED, this.#file, at)
      record('map', monotonicNs() - startNs)
    }
  }

  close(): void {
    this.#region.close()
  }
}
