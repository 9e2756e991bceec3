/** One of the threads that read the device: on command, reads until time is up. Ends when told to. */
import { readFileSync } from 'node:fs'
import { LazyRestoreError } from '../../core/error.ts'
import { boundToCpu } from '../../uffd/cpu-affinity.ts'
import { monotonicNs } from '../../uffd/engine/clock.ts'
import { MemoryRegion } from '../../uffd/memory-region.ts'
import { libc } from '../../uffd/native.ts'
import { computeFor } from '../compute.ts'
import { scattered } from '../probes/probe.ts'
import {
  DONE,
  END_GENERATION,
  GENERATION,
  MILLISECONDS,
  MOST_READ_BYTES,
  MOST_READS,
  NEXT_PLACE,
  READ_BYTES,
  type ReaderJob,
  SPACES_NS,
  spaceOf,
  THREADS,
  WAY,
  WAYS,
} from './reader-job.ts'

const PAGE = 4096
const WAIT_MS = 1000

/** @param onReady waits for commands from now on */
export function readDevice(job: ReaderJob, onReady: () => void): void {
  const { index, control } = job
  const buffer = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: MOST_READ_BYTES })
  buffer.view(0, MOST_READ_BYTES).fill(1)
  try {
    onReady()
    for (let generation = 0; ; ) {
      Atomics.wait(control, GENERATION, generation, WAIT_MS)
      const current = Atomics.load(control, GENERATION)
      if (current === END_GENERATION) return
      if (current === generation) continue
      generation = current
      if (index >= control[THREADS]) continue
      // Where handlers are: which CPU the device interrupts, and whether that one sleeps, may depend on it.
      boundToCpu(WAYS[control[WAY]] === 'spaced' ? 0 : undefined, () => readPhase(job, buffer, generation))
      Atomics.add(control, DONE, 1)
    }
  } finally {
    buffer.close()
  }
}

function readPhase(job: ReaderJob, buffer: MemoryRegion, seed: number): void {
  const { control, latenciesNs, totals } = job
  const c = libc()
  const bytes = control[READ_BYTES]
  const way = WAYS[control[WAY]]
  const file = way === 'direct' || way === 'fresh' || way === 'spaced' ? job.direct : job.buffered
  const nextOffset = offsetsOf(job, seed)
  let reads = 0
  const startCpuNs = cpuNs()
  let otherCpuNs = 0
  const startNs = monotonicNs()
  const endNs = startNs + control[MILLISECONDS] * 1e6
  let nowNs = startNs
  while (nowNs < endNs && reads < MOST_READS) {
    const offset = nextOffset()
    if (offset < 0) break
    if (way === 'fresh') otherCpuNs += giveBack(buffer)
    else if (way === 'spaced') {
      computeFor(SPACES_NS[spaceOf(reads)])
      nowNs = monotonicNs()
    }
    const count = c.pread(file, buffer.address, bytes, offset)
    if (count !== bytes) {
      const found = `found ${count} bytes at ${offset}`
      throw new LazyRestoreError('io', `calibrate: read of the device: ${found}, expected ${bytes}`)
    }
    const doneNs = monotonicNs()
    latenciesNs[reads++] = doneNs - nowNs
    nowNs = doneNs
  }
  totals[0] = reads
  totals[1] = cpuNs() - startCpuNs - otherCpuNs
  totals[2] = nowNs - startNs
}

/**
 * Where the thread reads next; below 0: nowhere. What is read into the page cache must not be in it: each place is read once. What is
 * to be read alone must not follow what is there, either, or the kernel reads ahead: there is a gap between two places.
 */
function offsetsOf({ index, fileBytes, control }: ReaderJob, seed: number): () => number {
  const bytes = control[READ_BYTES]
  const slots = Math.floor(fileBytes / bytes)
  const gaps = Math.floor(slots / 2)
  const next = () => Atomics.add(control, NEXT_PLACE, 1)
  let random = Math.imul(seed * 64 + index + 1, 0x9e3779b1)
  switch (WAYS[control[WAY]]) {
    case 'direct':
    case 'fresh':
    case 'spaced':
      return () => {
        random = nextRandom(random)
        return ((random >>> 0) % slots) * bytes
      }
    case 'alone':
      return () => {
        const place = next()
        return place < gaps ? scattered(place, gaps) * 2 * bytes : -1
      }
    case 'ahead':
      return () => {
        const place = next()
        return place < slots ? place * bytes : -1
      }
    case 'again': {
      // The last place was counted, but perhaps not read.
      const places = Math.min(control[NEXT_PLACE], slots) - 1
      let read = 0
      return () => (places < 1 ? -1 : (read++ % places) * bytes)
    }
  }
}

/** The memory has no pages any more. @returns ns of CPU that it took */
function giveBack(buffer: MemoryRegion): number {
  const beforeNs = cpuNs()
  buffer.discard()
  return cpuNs() - beforeNs
}

/** xorshift32 (Marsaglia, "Xorshift RNGs", 2003). */
function nextRandom(random: number): number {
  let next = random
  next ^= next << 13
  next ^= next >>> 17
  next ^= next << 5
  return next
}

/** CPU time of this thread, Linux Documentation/scheduler/sched-stats.rst; 0 where the kernel does not tell. */
function cpuNs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0])
  } catch {
    return 0
  }
}
