/** What it costs to get a page's bytes without the device: pread(2) of a cached file, and zeros in a buffer. */
import { MIB } from '../../core/units.ts'
import { monotonicNs } from '../../uffd/engine/clock.ts'
import { MemoryRegion } from '../../uffd/memory-region.ts'
import { libc } from '../../uffd/native.ts'
import { type Probe, type Recorder, scattered } from './probe.ts'

const PAGE = 4096
const BUFFER_BYTES = MIB
/** 4 KiB pages of one read. */
export const READ_PAGES: readonly number[] = [1, 2, 4, 16, 64, 256]
/** 4 KiB pages of one fill, and fills of one sample. */
export const FILL_PAGES: readonly number[] = [1, 4, 16, 64]
export const FILLS = 8

/** Measures `read 1` and the like, at scattered offsets of a file that is in the page cache, into memory at an address. */
export class CachedReadProbe implements Probe {
  readonly #file: number
  readonly #slots: number
  readonly #buffer = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: BUFFER_BYTES })
  #next = 0

  constructor(file: number, fileBytes: number) {
    this.#file = file
    this.#slots = Math.floor(fileBytes / BUFFER_BYTES)
    this.#buffer.view(0, BUFFER_BYTES).fill(1)
  }

  run(record: Recorder): void {
    const c = libc()
    for (const pages of READ_PAGES) {
      const offset = this.#nextOffset(pages)
      const startNs = monotonicNs()
      c.pread(this.#file, this.#buffer.address, pages * PAGE, offset)
      record(`read ${pages}`, monotonicNs() - startNs)
    }
  }

  /** Anywhere in a slot, so that short reads do not find bytes that the CPU's caches still have. */
  #nextOffset(pages: number): number {
    const slot = scattered(this.#next, this.#slots)
    const page = scattered(this.#next++, BUFFER_BYTES / PAGE - pages + 1)
    return slot * BUFFER_BYTES + page * PAGE
  }

  close(): void {
    this.#buffer.close()
  }
}

/** Measures `fill 1` and the like: eight fills of a part of a buffer. */
export class FillProbe implements Probe {
  readonly #buffer = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: BUFFER_BYTES })
  readonly #bytes = this.#buffer.view(0, BUFFER_BYTES)

  run(record: Recorder): void {
    for (const pages of FILL_PAGES) {
      const startNs = monotonicNs()
      for (let i = 0; i < FILLS; i++) this.#bytes.fill(0, i * PAGE, (i + pages) * PAGE)
      record(`fill ${pages}`, monotonicNs() - startNs)
    }
  }

  close(): void {
    this.#buffer.close()
  }
}
