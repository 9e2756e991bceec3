/**
 * What a KVM guest's first access to a page costs that is resident on the host: the hypervisor maps it for the guest, and, where
 * it shadows page tables, some of its neighbours too (Linux arch/x86/kvm/mmu/mmu.c, PTE_PREFETCH_NUM). Timed by the guest itself.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { monotonicNs } from '../../uffd/engine/clock.ts'
import { MemoryRegion } from '../../uffd/memory-region.ts'
import { libc } from '../../uffd/native.ts'
import type { Samples } from '../estimate.ts'
import { walkGuest } from '../guest-walk.ts'
import { type Probe, type Recorder, scattered } from './probe.ts'

const PAGE = 4096
const MADV_NOHUGEPAGE = 15
/** Aligned groups of pages, one first access in each: far enough apart that none maps a page of another. */
const GROUP_PAGES = 64
const GROUPS = 128
/** A page and its neighbour at distance d are in one aligned window of 2d pages, and in none that is smaller. */
export const NEIGHBOUR_PAGES: readonly number[] = [1, 2, 4, 8, 16, 32]

/** In each group: a page, the same page again, its neighbours from the nearest on. */
const MEASURES = ['guest fault', 'guest mapped', ...NEIGHBOUR_PAGES.map(distance => `guest neighbour ${distance}`)]

/** Measures `guest fault`, `guest mapped`, `guest neighbour 1` and the like: a new guest each time, over the same memory. */
export class GuestProbe implements Probe {
  readonly #region = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: GROUPS * GROUP_PAGES * PAGE })
  readonly #pages = accessedPages()

  constructor() {
    const { address, byteLength } = this.#region
    libc().madvise(address, byteLength, MADV_NOHUGEPAGE)
    this.#region.view(0, byteLength).fill(1)
  }

  run(record: Recorder): void {
    const latencyNs = walkGuest(this.#region, this.#pages, new Uint32Array(this.#pages.length))
    for (const [access, ns] of latencyNs.entries()) record(MEASURES[access % MEASURES.length], ns)
  }

  close(): void {
    this.#region.close()
  }
}

function accessedPages(): Uint32Array {
  const pages = Array.from({ length: GROUPS }, (_, i) => {
    const group = scattered(i, GROUPS)
    const page = group * GROUP_PAGES + scattered(group, GROUP_PAGES)
    return [page, page, ...NEIGHBOUR_PAGES.map(distance => page ^ distance)]
  })
  return Uint32Array.from(pages.flat())
}

export interface GuestMeasurement {
  readonly samples: Samples
  /** Why there are none: a KVM that is there may still not run our guest. */
  readonly reason: string | null
}

/** Runs guests for `budgetMs`, at least one. */
export function measureGuest(budgetMs: number): GuestMeasurement {
  try {
    return { samples: runGuests(budgetMs), reason: null }
  } catch (error) {
    if (error instanceof LazyRestoreError) return { samples: new Map(), reason: error.message }
    throw error
  }
}

function runGuests(budgetMs: number): Samples {
  const samples = new Map<string, number[]>(MEASURES.map(measure => [measure, []]))
  const deadlineNs = monotonicNs() + budgetMs * 1e6
  const probe = new GuestProbe()
  try {
    do probe.run((measure, ns) => samples.get(measure)!.push(ns))
    while (monotonicNs() < deadlineNs)
  } finally {
    probe.close()
  }
  return samples
}
