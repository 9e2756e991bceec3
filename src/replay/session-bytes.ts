/**
 * What replays take in memory, worked out from what they were made of: each one's simulation for itself, and once what all of
 * a thread share.
 */
import type { Bitmap } from '../core/bitmap.ts'
import type { Layout } from '../destination/layout.ts'
import type { Mechanism } from '../policy/policy.ts'
import { RESIDENCY_POINTS } from '../sim/memory-state.ts'
import type { Vcpus } from '../sim/vcpus.ts'
import { latencyTablesBytes } from '../storage/device-queue.ts'

/** A run of a plan: first page, count, offset in a file. */
const PLAN_RUN_BYTES = 4 + 4 + 8
/** Objects of JavaScript beside the typed arrays: of a replay, and of each vCPU, handler and worker. About. */
const OBJECT_BYTES = 8192
const ACTOR_BYTES = 1024

export interface SimulationShape {
  readonly layout: Layout
  /** Of all policies that the replay has had. */
  readonly mechanisms: readonly Mechanism[]
  readonly cacheWarm: boolean
  readonly guest: boolean
}

/** Bytes that replays share: each of their layouts with its snapshot's bitmaps, and the tables of storage latencies. A recorded working set is its owner's to count. */
export function sharedReplayBytes(layouts: Iterable<Layout>): number {
  const bitmaps = new Set<Bitmap>()
  for (const { snapshot, hasData, mixed } of new Set(layouts)) {
    for (const { bitmap } of snapshot.blocks) bitmaps.add(bitmap)
    bitmaps.add(hasData)
    if (mixed !== null) bitmaps.add(mixed)
  }
  let bytes = latencyTablesBytes()
  for (const { byteLength } of bitmaps) bytes += byteLength
  return bytes
}

/** @returns bytes; bitmaps count in full, though the operating system gives memory only where bits were set */
export function simulationBytes({ layout, mechanisms, cacheWarm, guest }: SimulationShape, vcpus: Vcpus): number {
  // Resident, read-only, claimed; mapped for the guest. In the page cache.
  const hostBitmaps = guest ? 4 : 3
  const bitmapBytes = hostBitmaps * bytesOfBits(layout.hostPageCount)
  const cacheBytes = cacheWarm ? 0 : bytesOfBits(layout.targetPageCount)
  const { latency, faultedPages, stallNs } = vcpus
  return (
    bitmapBytes +
    cacheBytes +
    latency.records.counts.byteLength +
    faultedPages.byteLength +
    RESIDENCY_POINTS * 2 * Float64Array.BYTES_PER_ELEMENT +
    mechanisms.reduce((sum, mechanism) => sum + carrierBytes(mechanism), 0) +
    stallNs.length * ACTOR_BYTES +
    OBJECT_BYTES
  )
}

function carrierBytes({ handlers, workers, planRuns }: Mechanism): number {
  return (handlers + workers) * (planRuns * PLAN_RUN_BYTES + ACTOR_BYTES)
}

function bytesOfBits(bits: number): number {
  return Math.ceil(bits / 32) * Uint32Array.BYTES_PER_ELEMENT
}
