/** What userfaultfd's install calls cost without anybody waiting: UFFDIO_COPY, ZEROPAGE and REGISTER through the binding. */
import { MIB } from '../../core/units.ts'
import { UFFDIO_REGISTER_MODE_MISSING } from '../../uffd/constants.ts'
import { monotonicNs } from '../../uffd/engine/clock.ts'
import { MemoryRegion } from '../../uffd/memory-region.ts'
import { Userfaultfd } from '../../uffd/userfaultfd.ts'
import { type Probe, type Recorder, scattered } from './probe.ts'

const PAGE = 4096
const HUGE_PAGE = 2 * MIB
const REGION_BYTES = 64 * MIB
/** A part of the pages of 2 MiB. */
const INSTALLED_TOUCHES = 64
/** 4 KiB pages of one call. */
export const INSTALL_PAGES: readonly number[] = [1, 2, 4, 16, 64, 256, 512]

/** Registered memory of its own, and bytes to copy from. */
class Registered {
  readonly region: MemoryRegion
  readonly source = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: HUGE_PAGE })
  readonly uffd = Userfaultfd.open()

  constructor(region: MemoryRegion) {
    this.region = region
    this.source.view(0, HUGE_PAGE).fill(0xa5)
    this.uffd.api(0)
    this.uffd.register(region.address, region.byteLength, UFFDIO_REGISTER_MODE_MISSING)
  }

  close(): void {
    this.uffd.close()
    this.region.close()
    this.source.close()
  }
}

/** Measures `copy anon 1`, `zeropage shmem 16` and the like: one call of each size, side by side through the region. */
export class InstallProbe implements Probe {
  readonly #kind: 'anon' | 'shmem'
  readonly #operation: 'copy' | 'zeropage'
  readonly #memory: Registered
  #offset = 0

  constructor(kind: 'anon' | 'shmem', operation: 'copy' | 'zeropage') {
    this.#kind = kind
    this.#operation = operation
    this.#memory = new Registered(new MemoryRegion({ kind, hostPageSize: PAGE, byteLength: REGION_BYTES }))
  }

  run(record: Recorder): void {
    for (const pages of INSTALL_PAGES) {
      const ns = this.#install(pages * PAGE)
      record(`${this.#operation} ${this.#kind} ${pages}`, ns)
    }
  }

  close(): void {
    this.#memory.close()
  }

  #install(bytes: number): number {
    const { region, source, uffd } = this.#memory
    if (this.#offset + bytes > REGION_BYTES) {
      region.discard()
      this.#offset = 0
    }
    const address = region.address + this.#offset
    this.#offset += bytes
    const startNs = monotonicNs()
    if (this.#operation === 'copy') uffd.copy(address, source.address, bytes, 0)
    else uffd.zeropage(address, bytes, 0)
    return monotonicNs() - startNs
  }
}

/** Measures `touch installed`: the first access to a page that a COPY has installed; and `touch again`, the second. */
export class InstalledAccessProbe implements Probe {
  readonly #memory = new Registered(new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: HUGE_PAGE }))
  readonly #bytes = this.#memory.region.view(0, HUGE_PAGE)
  #next = 0
  sum = 0

  run(record: Recorder): void {
    const { region, source, uffd } = this.#memory
    const pages = HUGE_PAGE / PAGE
    if (this.#next === 0) {
      region.discard()
      uffd.copy(region.address, source.address, HUGE_PAGE, 0)
    }
    for (let i = 0; i < INSTALLED_TOUCHES; i++) {
      const at = scattered(this.#next++, pages) * PAGE
      for (const measure of ['touch installed', 'touch again']) {
        const startNs = monotonicNs()
        this.sum += this.#bytes[at]
        record(measure, monotonicNs() - startNs)
      }
    }
    if (this.#next === pages) this.#next = 0
  }

  close(): void {
    this.#memory.close()
  }
}

/** Measures `copy hugetlb` and, by itself, the kernel's own fault, `touch hugetlb`. */
export class HugePageProbe implements Probe {
  readonly #copied = new Registered(
    new MemoryRegion({ kind: 'hugetlb', hostPageSize: HUGE_PAGE, byteLength: HUGE_PAGE }),
  )
  readonly #touched = new MemoryRegion({ kind: 'hugetlb', hostPageSize: HUGE_PAGE, byteLength: HUGE_PAGE })
  /** Huge pages that it needs. */
  static readonly pages = 2

  run(record: Recorder): void {
    const { region, source, uffd } = this.#copied
    region.discard()
    let startNs = monotonicNs()
    uffd.copy(region.address, source.address, HUGE_PAGE, 0)
    record('copy hugetlb', monotonicNs() - startNs)
    this.#touched.discard()
    const view = this.#touched.view(0, PAGE)
    startNs = monotonicNs()
    view[0] = 1
    record('touch hugetlb', monotonicNs() - startNs)
  }

  close(): void {
    this.#copied.close()
    this.#touched.close()
  }
}

/** Measures `register`: of one block that was not registered. */
export class RegisterProbe implements Probe {
  readonly #memory = new Registered(new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: HUGE_PAGE }))

  run(record: Recorder): void {
    const { region, uffd } = this.#memory
    uffd.unregister(region.address, region.byteLength)
    const startNs = monotonicNs()
    uffd.register(region.address, region.byteLength, UFFDIO_REGISTER_MODE_MISSING)
    record('register', monotonicNs() - startNs)
  }

  close(): void {
    this.#memory.close()
  }
}
