/**
 * Faults that travel from a thread that touches a page to a thread that answers and back: where the time goes. Both threads
 * read one clock, so each fault is taken apart:
 *
 *     touch ─── message ───▶ read ─── install ───▶ installed ─── run ───▶ the toucher runs
 */
import { MIB } from '../../core/units.ts'
import { UFFDIO_REGISTER_MODE_MISSING } from '../../uffd/constants.ts'
import { MemoryRegion } from '../../uffd/memory-region.ts'
import { Userfaultfd } from '../../uffd/userfaultfd.ts'
import type { Samples } from '../estimate.ts'
import { MeasuringThread } from '../measuring-thread.ts'
import { twoCores } from './place.ts'
import {
  BLOCKS_DONE,
  type BlockKind,
  CONTROL_WORDS,
  ENDED,
  FAULTS_PER_BLOCK,
  kindOf,
  type RoundTripColumns,
  type RoundTripJob,
  STOP,
} from './schedule.ts'

const PAGE = 4096
const REGION_BYTES = 256 * MIB
/** For threads to start, and to end when they have been told to. */
const LIMIT_MS = 10_000
/** Blocks of each kind that are not kept, while code is compiled. */
const WARM_UP_BLOCKS = 4

/** Runs for `budgetMs`, or until there are pages no more. On a single CPU there are local faults only. */
export async function measureRoundTrips(budgetMs: number): Promise<Samples> {
  const region = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: REGION_BYTES })
  const source = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: PAGE })
  const uffd = Userfaultfd.open()
  source.view(0, PAGE).fill(0xa5)
  uffd.api(0)
  uffd.register(region.address, REGION_BYTES, UFFDIO_REGISTER_MODE_MISSING)
  const pageCount = REGION_BYTES / PAGE
  const cpus = twoCores()
  const job: RoundTripJob = {
    descriptor: uffd.descriptor,
    address: region.address,
    pageCount,
    source: source.address,
    kinds: cpus === null ? ['local'] : ['local', 'remote', 'pending', 'spinning'],
    cpus,
    control: new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4)),
    columns: createColumns(pageCount),
  }
  const threads: MeasuringThread[] = []
  try {
    const handler = new MeasuringThread({ role: 'answer', job })
    threads.push(handler)
    await handler.receive(LIMIT_MS)
    const toucher = new MeasuringThread({ role: 'touch', job })
    threads.push(toucher)
    const timer = setTimeout(() => Atomics.store(job.control, STOP, 1), budgetMs)
    await toucher.receive(budgetMs + LIMIT_MS)
    clearTimeout(timer)
    return samplesOf(job, Atomics.load(job.control, BLOCKS_DONE))
  } finally {
    Atomics.store(job.control, STOP, 1)
    Atomics.store(job.control, ENDED, 1)
    // Wakes whoever still waits for a page.
    uffd.close()
    const ends = await Promise.allSettled(threads.map(thread => thread.end(LIMIT_MS)))
    // Memory that a thread may still be looking at stays.
    if (ends.every(({ status }) => status === 'fulfilled')) {
      region.close()
      source.close()
    }
  }
}

function createColumns(faults: number): RoundTripColumns {
  const column = () => new Float64Array(new SharedArrayBuffer(faults * 8))
  return { touchNs: column(), runNs: column(), foundNs: column(), readNs: column(), installedNs: column() }
}

/** Takes the first `blocks` blocks apart into measures. */
export function samplesOf(job: Pick<RoundTripJob, 'kinds' | 'columns'>, blocks: number): Samples {
  const samples = new Map<string, number[]>()
  const record = (measure: string, ns: number) => {
    const kept = samples.get(measure)
    if (kept === undefined) samples.set(measure, [ns])
    else kept.push(ns)
  }
  const warmUp = Math.min(WARM_UP_BLOCKS * job.kinds.length, Math.floor(blocks / 2))
  for (let fault = warmUp * FAULTS_PER_BLOCK; fault < blocks * FAULTS_PER_BLOCK; fault++) {
    takeApart(kindOf(job, Math.floor(fault / FAULTS_PER_BLOCK)), fault, job.columns, record)
  }
  return samples
}

function takeApart(
  kind: BlockKind,
  fault: number,
  { touchNs, runNs, foundNs, readNs, installedNs }: RoundTripColumns,
  record: (measure: string, ns: number) => void,
): void {
  switch (kind) {
    case 'pending':
      return record('message read', readNs[fault] - foundNs[fault])
    case 'spinning':
      return record('trap', foundNs[fault] - touchNs[fault])
    case 'local':
    case 'remote': {
      // On one CPU the toucher may run at once, inside the call that woke it.
      const preempted = kind === 'local' && runNs[fault] < installedNs[fault]
      const installed = preempted ? runNs[fault] : installedNs[fault]
      record(`${kind} message`, readNs[fault] - touchNs[fault])
      record(`${kind} install`, installed - readNs[fault])
      record(`${kind} run`, Math.max(0, runNs[fault] - installed))
      record(`${kind} latency`, runNs[fault] - touchNs[fault])
    }
  }
}
