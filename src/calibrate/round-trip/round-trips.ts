/**
 * Faults that travel from a thread that touches a page to the engine's handler and back: where the time goes. Both threads
 * read one clock, so each fault is taken apart:
 *
 *     touch ─── message ───▶ install ─── install ───▶ installed ─── run ───▶ the toucher runs
 *                                                     installed ─── rest ──▶ the handler waits for the next message
 */
import { MIB } from '../../core/units.ts'
import { UFFDIO_REGISTER_MODE_MISSING } from '../../uffd/constants.ts'
import { twoCores } from '../../uffd/cpu-affinity.ts'
import { createSharedRestore, RestoreState } from '../../uffd/engine/restore-state.ts'
import { MemoryRegion } from '../../uffd/memory-region.ts'
import { libc } from '../../uffd/native.ts'
import { Userfaultfd } from '../../uffd/userfaultfd.ts'
import type { Samples } from '../estimate.ts'
import { MeasuringThread } from '../measuring-thread.ts'
import {
  BLOCKS_DONE,
  type BlockKind,
  BOUND_FAULTS,
  CONTROL_WORDS,
  ENDED,
  FAULTS_PER_BLOCK,
  HOT_THINK_NS,
  kindOf,
  type RoundTripColumns,
  type RoundTripJob,
  STOP,
  thinkNsOf,
} from './schedule.ts'

const PAGE = 4096
const MOST_BYTES = 256 * MIB
const MADV_NOHUGEPAGE = 15
/** For threads to start, and to end when they have been told to. */
const LIMIT_MS = 10_000
/** Turns of the kinds, and blocks between two CPUs in a row after them: these vary most. */
const TURNS = 10
const REMOTE_BLOCKS = 20
/** Of a block whose threads are on one CPU, since they may part: those for which it is looked at whether they do. */
const FIRST_FAULTS = 5
/** Of all blocks, the first ones that are not kept, while code is compiled: that takes a restore of some thousand faults. */
const WARM_UP_SHARE = 0.25

export interface RoundTripOptions {
  /** A file in the page cache: a page is installed for each page of it. */
  readonly file: number
  readonly fileBytes: number
  /** A KVM guest can run here. */
  readonly guest: boolean
  readonly budgetMs: number
}

/** Runs for `budgetMs`, longer until there were blocks of each kind, or until there are pages no more. On a single CPU there are local faults only. */
export async function measureRoundTrips({ file, fileBytes, guest, budgetMs }: RoundTripOptions): Promise<Samples> {
  const byteLength = Math.min(fileBytes, MOST_BYTES)
  const region = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength })
  libc().madvise(region.address, byteLength, MADV_NOHUGEPAGE)
  const uffd = Userfaultfd.open()
  uffd.api(0)
  uffd.register(region.address, byteLength, UFFDIO_REGISTER_MODE_MISSING)
  const pageCount = byteLength / PAGE
  const cpus = twoCores()
  const job: RoundTripJob = {
    descriptor: uffd.descriptor,
    address: region.address,
    pageCount,
    file,
    shared: createSharedRestore(pageCount, 0, 0),
    kinds: kindsOf(cpus !== null, guest),
    cpus,
    control: new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4)),
    columns: createColumns(pageCount),
  }
  const threads: MeasuringThread[] = []
  try {
    const handler = new MeasuringThread({ role: 'answer', job })
    threads.push(handler)
    if (cpus !== null) threads.push(new MeasuringThread({ role: 'occupy', job }))
    await handler.receive(LIMIT_MS)
    const toucher = new MeasuringThread({ role: 'touch', job })
    threads.push(toucher)
    const timer = setTimeout(() => Atomics.store(job.control, STOP, 1), budgetMs)
    // A handler that fails lets nobody go on: its reason is the one to tell.
    await Promise.race([toucher.receive(budgetMs + LIMIT_MS), handler.failed])
    clearTimeout(timer)
    // Of the last fault it may have times to take still.
    await handler.end(LIMIT_MS)
    return samplesOf(job, Atomics.load(job.control, BLOCKS_DONE))
  } finally {
    Atomics.store(job.control, STOP, 1)
    Atomics.store(job.control, ENDED, 1)
    // The handler makes nothing of it that the userfaultfd goes, which wakes whoever still waits for a page.
    new RestoreState(job.shared).fail()
    uffd.close()
    const ends = await Promise.allSettled(threads.map(thread => thread.end(LIMIT_MS)))
    // Memory that a thread may still be looking at stays.
    if (ends.every(({ status }) => status === 'fulfilled')) region.close()
  }
}

function kindsOf(twoCpus: boolean, guest: boolean): BlockKind[] {
  if (!twoCpus) return ['local', 'chained', 'hot']
  const guestKinds: BlockKind[] = guest ? ['guest local', 'guest remote'] : []
  const remoteKinds: BlockKind[] = guest ? ['remote', 'guest remote'] : ['remote']
  return [
    ...repeated(TURNS, ['local', 'chained', 'hot', 'remote', 'busy', 'together', 'pending', 'spinning', ...guestKinds]),
    ...repeated(REMOTE_BLOCKS, remoteKinds),
  ]
}

function repeated(times: number, kinds: readonly BlockKind[]): BlockKind[] {
  return Array.from({ length: times }, () => kinds).flat()
}

function createColumns(faults: number): RoundTripColumns {
  const column = () => new Float64Array(new SharedArrayBuffer(faults * 8))
  return {
    touchNs: column(),
    runNs: column(),
    foundNs: column(),
    installNs: column(),
    installedNs: column(),
    restNs: column(),
    touchCpu: column(),
    answerCpu: column(),
  }
}

/** Takes the first `blocks` blocks apart into measures. */
export function samplesOf(job: Pick<RoundTripJob, 'kinds' | 'columns'>, blocks: number): Samples {
  const samples = new Map<string, number[]>()
  const record = (measure: string, ns: number) => {
    const kept = samples.get(measure)
    if (kept === undefined) samples.set(measure, [ns])
    else kept.push(ns)
  }
  const warmUp = Math.floor(blocks * WARM_UP_SHARE)
  for (let fault = warmUp * FAULTS_PER_BLOCK; fault < blocks * FAULTS_PER_BLOCK; fault++) {
    takeApart(kindOf(job, Math.floor(fault / FAULTS_PER_BLOCK)), fault, job.columns, record)
  }
  return samples
}

function takeApart(
  kind: BlockKind,
  fault: number,
  { touchNs, runNs, foundNs, installNs, installedNs, restNs, touchCpu, answerCpu }: RoundTripColumns,
  record: (measure: string, ns: number) => void,
): void {
  switch (kind) {
    case 'hot':
      return record(`local after ${HOT_THINK_NS}`, runNs[fault] - touchNs[fault])
    case 'chained':
      return record('chained latency', runNs[fault] - touchNs[fault])
    case 'busy':
      return record('busy message', installNs[fault] - touchNs[fault])
    case 'pending':
      return record('message', installNs[fault] - foundNs[fault])
    case 'spinning':
      record('trap', foundNs[fault] - touchNs[fault])
      if (restNs[fault] > 0) record('rest', restNs[fault] - installedNs[fault])
      return
    case 'together': {
      // Who finds an idle CPU goes there when it is woken first; later on, idle CPUs take threads from busy ones by themselves.
      const sinceItMay = (fault % FAULTS_PER_BLOCK) - BOUND_FAULTS
      if (sinceItMay < 0 || sinceItMay >= FIRST_FAULTS) return
      return record('together', touchCpu[fault] === answerCpu[fault] ? 1000 : 0)
    }
    case 'local':
    case 'remote': {
      // On one CPU the toucher may run at once, inside the call that woke it.
      const preempted = kind === 'local' && runNs[fault] < installedNs[fault]
      const installed = preempted ? runNs[fault] : installedNs[fault]
      record(`${kind} message`, installNs[fault] - touchNs[fault])
      record(`${kind} install`, installed - installNs[fault])
      record(`${kind} run`, Math.max(0, runNs[fault] - installed))
    }
  }
  const latencyNs = runNs[fault] - touchNs[fault]
  record(`${kind} latency`, latencyNs)
  if (kind === 'local') record(`local after ${thinkNsOf(kind, fault % FAULTS_PER_BLOCK)}`, latencyNs)
}
