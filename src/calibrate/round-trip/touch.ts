/** The thread that touches pages, each of them once, far from one another, with some computing in between. See schedule.ts. */
import { LazyRestoreError } from '../../core/error.ts'
import { monotonicNs } from '../../uffd/engine/clock.ts'
import { libc, viewMemory } from '../../uffd/native.ts'
import { computeFor } from '../compute.ts'
import { walkGuest } from '../guest-walk.ts'
import { scattered } from '../probes/probe.ts'
import { placeThread } from './placement.ts'
import {
  BLOCKS_DONE,
  ENDED,
  FAULTS_PER_BLOCK,
  isGuest,
  kindOf,
  READY,
  type RoundTripJob,
  STOP,
  thinkNsOf,
} from './schedule.ts'

const PAGE = 4096
const READY_LIMIT_MS = 5000

/** @returns the sum of what was read, so that no read is left out */
export function touch(job: RoundTripJob): number {
  try {
    return touchBlocks(job)
  } finally {
    Atomics.store(job.control, ENDED, 1)
  }
}

function touchBlocks(job: RoundTripJob): number {
  const { address, pageCount, control } = job
  const bytes = new Uint8Array(viewMemory(address, pageCount * PAGE))
  const blockCount = Math.floor(pageCount / FAULTS_PER_BLOCK)
  let sum = 0
  for (let block = 0; block < blockCount && goesOn(job, block); block++) {
    placeThread(job, block, 0)
    awaitReady(control, block)
    if (isGuest(kindOf(job, block))) touchAsGuest(job, block)
    else sum += touchBlock(job, block, bytes)
    Atomics.store(control, BLOCKS_DONE, block + 1)
  }
  return sum
}

/** Until it is told to stop, and then until there have been blocks of all kinds: on a busy machine that takes longer than the budget. */
function goesOn({ control, kinds }: RoundTripJob, block: number): boolean {
  if (Atomics.load(control, ENDED) === 1) return false
  return block < kinds.length || Atomics.load(control, STOP) === 0
}

function touchBlock(job: RoundTripJob, block: number, bytes: Uint8Array): number {
  const { pageCount, columns } = job
  const kind = kindOf(job, block)
  const notesCpu = kind === 'together'
  let sum = 0
  for (let i = 0; i < FAULTS_PER_BLOCK; i++) {
    const fault = block * FAULTS_PER_BLOCK + i
    const at = scattered(fault, pageCount) * PAGE
    computeFor(thinkNsOf(kind, i))
    const startNs = monotonicNs()
    sum += bytes[at]
    columns.runNs[fault] = monotonicNs()
    columns.touchNs[fault] = startNs
    if (notesCpu) columns.touchCpu[fault] = libc().sched_getcpu()
  }
  return sum
}

function touchAsGuest({ address, pageCount, columns }: RoundTripJob, block: number): void {
  const first = block * FAULTS_PER_BLOCK
  const numbers = Uint32Array.from({ length: FAULTS_PER_BLOCK }, (_, i) => i)
  const pages = numbers.map(i => scattered(first + i, pageCount))
  const memory = { address, byteLength: pageCount * PAGE, hostPageSize: PAGE }
  columns.runNs.set(
    walkGuest(
      memory,
      pages,
      numbers.map(i => thinkNsOf('guest local', i)),
    ),
    first,
  )
}

/** Waits for the thread that answers. */
function awaitReady(control: Int32Array, block: number): void {
  const deadline = Date.now() + READY_LIMIT_MS
  for (let ready = Atomics.load(control, READY); ready <= block; ready = Atomics.load(control, READY)) {
    if (Date.now() > deadline) {
      const found = `found the thread that answers not ready in ${READY_LIMIT_MS} ms`
      throw new LazyRestoreError('limit', `calibrate: ${found}, expected it at block ${block}`)
    }
    Atomics.wait(control, READY, ready, 100)
  }
}
