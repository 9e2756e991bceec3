/** A KVM guest over a VMM's memory: made, run to the end of its lists, and closed. Its vCPUs sleep wherever a page is missing. */
import { createRandom, nextUint32 } from '../../../src/core/random.ts'
import { createSharedRestore, PHASE_RUN, RestoreState } from '../../../src/uffd/engine/restore-state.ts'
import { ThreadPool } from '../../../src/uffd/engine/thread-pool.ts'
import { Guest } from '../../../src/uffd/kvm/guest.ts'
import { readFolds, writeRanges } from '../../../src/uffd/kvm/guest-lists.ts'
import { interruptGuestVcpu, type VcpuResult } from '../../../src/uffd/kvm/run-vcpu.ts'
import { base64, type GuestMemory } from './guest-memory.ts'
import { PAGE_BYTES, type PageRun, type VmmCommand, type VmmResults } from './protocol.ts'

/** Of a thread, on a busy machine. */
const START_LIMIT_MS = 30_000
const KICK_MS = 1
const pool = new ThreadPool()

/** @throws Error with what a vCPU has failed of */
export async function foldInGuest(
  memory: GuestMemory,
  { vcpus, pages: runs, seed, kicks = false }: Extract<VmmCommand, { do: 'fold' }>,
): Promise<VmmResults['fold']> {
  const pages = pagesOf(runs)
  if (seed !== undefined) shuffle(pages, seed)
  const ofVcpu = Array.from({ length: vcpus }, (_, vcpu) => pages.filter((_, i) => i % vcpus === vcpu))
  const guest = new Guest(
    memory.regions,
    ofVcpu.map(list => list.length),
  )
  for (const [vcpu, list] of ofVcpu.entries()) {
    const ranges = list.map(page => {
      const { region, offset } = memory.place(page)
      return { address: guest.addressOf(region, offset), byteLength: PAGE_BYTES }
    })
    writeRanges(guest.list(vcpu), ranges)
  }
  const shared = createSharedRestore(1, 0, 0)
  const jobs = ofVcpu.map((_, vcpu) => guest.job(vcpu, 'fold'))
  const threads = jobs.map(job => pool.run({ role: 'guest', guest: job, shared, limitMs: START_LIMIT_MS }, () => {}))
  for (const { ready } of threads) await ready
  new RestoreState(shared).enter(PHASE_RUN)
  const kicking = kicks ? setInterval(() => jobs.forEach(interruptGuestVcpu), KICK_MS) : undefined
  const results = (await Promise.all(threads.map(({ outcome }) => outcome))) as VcpuResult[]
  clearInterval(kicking)
  const failures = results.flatMap(({ failure }) => failure ?? [])
  if (failures.length > 0) throw new Error(failures.join('; '))
  const folds = new Uint32Array(memory.pageCount)
  for (const [vcpu, list] of ofVcpu.entries()) {
    const found = readFolds(guest.list(vcpu), list.length)
    for (const [i, page] of list.entries()) folds[page] = found[i]
  }
  guest.close()
  return { folds: base64(folds) }
}

function pagesOf(runs: readonly PageRun[]): number[] {
  return runs.flatMap(([first, count]) => Array.from({ length: count }, (_, i) => first + i))
}

function shuffle(pages: number[], seed: number): void {
  const random = createRandom(seed)
  for (let i = pages.length - 1; i > 0; i--) {
    const j = nextUint32(random) % (i + 1)
    ;[pages[i], pages[j]] = [pages[j], pages[i]]
  }
}
