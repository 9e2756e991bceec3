/** What the engine itself spends on a run of pages: a worker's carrier installs pages that are cached, one here and one there. */

import { LazyRestoreError } from '../../core/error.ts'
import { parseSpec } from '../../core/spec-string.ts'
import { MIB } from '../../core/units.ts'
import { parseHostPages } from '../../destination/host-pages.ts'
import { createLayout } from '../../destination/layout.ts'
import { createPolicy } from '../../policy/registry.ts'
import { openSynthetic } from '../../snapshot/synthetic.ts'
import { UFFDIO_REGISTER_MODE_MISSING } from '../../uffd/constants.ts'
import { AddressMap } from '../../uffd/engine/address-map.ts'
import { Carrier } from '../../uffd/engine/carrier.ts'
import { ThreadScratch } from '../../uffd/engine/carrier-thread.ts'
import { FileReader } from '../../uffd/engine/page-reader.ts'
import { createSharedRestore, RestoreState, sleepNs } from '../../uffd/engine/restore-state.ts'
import { claimsFor } from '../../uffd/engine/shared-claims.ts'
import { MemoryRegion } from '../../uffd/memory-region.ts'
import { Userfaultfd } from '../../uffd/userfaultfd.ts'
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
    const layout = createLayout(openSynthetic(`synthetic:${byteLength},zero=0`), parseHostPages('4K'))
    const policy = createPolicy(parseSpec('lazy-sweep'), { layout, workingSet: null })
    const setup = {
      policy,
      map: new AddressMap(layout, [address]),
      state: new RestoreState(this.#shared),
      claims: claimsFor(policy.mechanism, PAGES, this.#shared.claimed),
      channel: this.#uffd,
      host: { isPresent: () => true, sleepMs: (ms: number) => sleepNs(ms * 1e6) },
      snapshot: this.#snapshot,
      workingSet: null,
      scratch: this.#scratch.atLeast(MIB, PAGE),
      broken: 'zero' as const,
      events: false,
      onFailure: (reason: string) => {
        throw new LazyRestoreError('io', `calibrate: ${reason}`)
      },
    }
    this.#carrier = new Carrier(setup, () => {})
  }

  run(record: Recorder): void {
    if (this.#next === PAGES) this.#renew()
    const { batch } = this.#carrier
    batch.plan.clear()
    for (let i = 0; i < RUNS; i++) batch.plan.add(scattered(this.#next++, PAGES), 1)
    const startMs = performance.now()
    batch.startPlan()
    while (batch.claimNext()) this.#carrier.carryOut()
    record('carried', ((performance.now() - startMs) * 1e6) / RUNS)
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
