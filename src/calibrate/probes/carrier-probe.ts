/** What the engine itself spends on a run of pages: a worker's carrier installs pages that are cached, one here and one there. */
import { MIB } from '../../core/units.ts'
import { UFFDIO_REGISTER_MODE_MISSING } from '../../uffd/constants.ts'
import { Carrier } from '../../uffd/engine/carrier.ts'
import { ThreadScratch } from '../../uffd/engine/carrier-thread.ts'
import { monotonicNs } from '../../uffd/engine/clock.ts'
import { FileReader } from '../../uffd/engine/page-reader.ts'
import { createSharedRestore } from '../../uffd/engine/restore-state.ts'
import { MemoryRegion } from '../../uffd/memory-region.ts'
import { Userfaultfd } from '../../uffd/userfaultfd.ts'
import { carrierSetup } from '../carrier-setup.ts'
import { type Probe, type Recorder, scattered } from './probe.ts'

const PAGE = 4096
const PAGES = (64 * MIB) / PAGE
/** Runs of one sample. */
const RUNS = 32

/** Measures `carried`: a page read from the page cache and installed, claims and accounts included. */
export class CarrierProbe implements Probe {
  readonly #region = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: PAGES * PAGE })
  readonly #uffd = Userfaultfd.open()
  readonly #scratch = new ThreadScratch()
  readonly #snapshot: FileReader
  readonly #shared = createSharedRestore(PAGES, 0, 0)
  readonly #carrier: Carrier
  #next = 0

  /** @param file of at least 64 MiB, in the page cache */
  constructor(file: number) {
    const { address, byteLength } = this.#region
    this.#uffd.api(0)
    this.#uffd.register(address, byteLength, UFFDIO_REGISTER_MODE_MISSING)
    this.#snapshot = new FileReader(`/proc/self/fd/${file}`, false)
    const block = { address, pageCount: PAGES, shared: this.#shared, channel: this.#uffd, scratch: this.#scratch }
    const setup = carrierSetup('lazy-sweep', { ...block, snapshot: this.#snapshot })
    this.#carrier = new Carrier(setup, () => {})
  }

  run(record: Recorder): void {
    if (this.#next === PAGES) this.#renew()
    const { batch } = this.#carrier
    batch.plan.clear()
    for (let i = 0; i < RUNS; i++) batch.plan.add(scattered(this.#next++, PAGES), 1)
    const startNs = monotonicNs()
    batch.startPlan()
    while (batch.claimNext()) this.#carrier.carryOut()
    record('carried', (monotonicNs() - startNs) / RUNS)
  }

  #renew(): void {
    this.#region.discard()
    this.#shared.claimed.fill(0)
    this.#shared.installed.fill(0)
    this.#next = 0
  }

  close(): void {
    this.#uffd.close()
    this.#snapshot.close()
    this.#scratch.close()
    this.#region.close()
  }
}
