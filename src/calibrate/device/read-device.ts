/** One of the threads that read the device: on command, reads until time is up. Ends when told to. */
import { readFileSync } from 'node:fs'
import { LazyRestoreError } from '../../core/error.ts'
import { MemoryRegion } from '../../uffd/memory-region.ts'
import { libc } from '../../uffd/native.ts'
import {
  DONE,
  END_GENERATION,
  GENERATION,
  MILLISECONDS,
  MODE,
  MOST_READ_BYTES,
  MOST_READS,
  NEXT_SLOT,
  READ_BYTES,
  type ReaderJob,
  SEQUENTIAL,
  THREADS,
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
      readPhase(job, buffer.address, generation)
      Atomics.add(control, DONE, 1)
    }
  } finally {
    buffer.close()
  }
}

function readPhase({ index, file, fileBytes, control, latenciesNs, totals }: ReaderJob, address: number, seed: number) {
  const c = libc()
  const bytes = control[READ_BYTES]
  const slots = Math.floor(fileBytes / bytes)
  let random = Math.imul(seed * 64 + index + 1, 0x9e3779b1)
  let reads = 0
  const startCpuNs = cpuNs()
  let nowMs = performance.now()
  const endMs = nowMs + control[MILLISECONDS]
  while (nowMs < endMs && reads < MOST_READS) {
    random = nextRandom(random)
    const slot = (control[MODE] === SEQUENTIAL ? Atomics.add(control, NEXT_SLOT, 1) : random >>> 0) % slots
    const count = c.pread(file, address, bytes, slot * bytes)
    if (count !== bytes) {
      const found = `found ${count} bytes at ${slot * bytes}`
      throw new LazyRestoreError('io', `calibrate: direct read: ${found}, expected ${bytes}`)
    }
    const doneMs = performance.now()
    latenciesNs[reads++] = (doneMs - nowMs) * 1e6
    nowMs = doneMs
  }
  totals[0] = reads
  totals[1] = cpuNs() - startCpuNs
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
