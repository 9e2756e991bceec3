/** What is worked out once for VMs whose memory is cut into the same regions: the layout, and the working set fitted to it. */
import type { GuestRegion } from './guest-regions.ts'
import { layoutKey, type RegionLayout } from './region-layout.ts'
import type { VmWorkingSet } from './vm-working-set.ts'

/** Shapes that are kept though no VM has them; a fleet has one or a few. Each may have an open file. */
const MOST_IDLE = 16

export interface Shape {
  readonly regionLayout: RegionLayout
  readonly workingSet: VmWorkingSet | null
}

interface Entry {
  readonly shape: Promise<Shape>
  vms: number
}

export class Shapes {
  readonly #make: (regions: readonly GuestRegion[]) => Promise<Shape>
  readonly #entries = new Map<string, Entry>()
  readonly #closing = new Set<Promise<void>>()

  constructor(make: (regions: readonly GuestRegion[]) => Promise<Shape>) {
    this.#make = make
  }

  /** For a VM, which has it until `release` is called, once. @throws what `make` throws, every time that it is asked for */
  async take(regions: readonly GuestRegion[]): Promise<{ readonly shape: Shape; readonly release: () => void }> {
    const key = layoutKey(regions)
    const entry = this.#entries.get(key) ?? { shape: this.#make(regions), vms: 0 }
    this.#entries.set(key, entry)
    entry.vms++
    const release = (): void => {
      entry.vms--
      this.#trim()
    }
    try {
      return { shape: await entry.shape, release }
    } catch (error) {
      if (this.#entries.get(key) === entry) this.#entries.delete(key)
      throw error
    }
  }

  /** When no VM has one any more. */
  async close(): Promise<void> {
    for (const [key, entry] of this.#entries) this.#drop(key, entry)
    await Promise.all(this.#closing)
  }

  #trim(): void {
    const idle = [...this.#entries].filter(([, { vms }]) => vms === 0)
    for (const [key, entry] of idle.slice(0, Math.max(0, idle.length - MOST_IDLE))) this.#drop(key, entry)
  }

  #drop(key: string, { shape }: Entry): void {
    this.#entries.delete(key)
    const closed = shape.then(({ workingSet }) => workingSet?.close()).finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
  }
}
