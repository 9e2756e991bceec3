/** The vCPUs of one restore, of either sort: threads that touch memory, or a KVM guest whose memory it is. */
import type { Bitmap } from '../../core/bitmap.ts'
import { LazyRestoreError } from '../../core/error.ts'
import { LatencyHistogram } from '../../core/latency-histogram.ts'
import { hostPagesOf } from '../../destination/layout.ts'
import type { InstallMethod } from '../../policy/policy.ts'
import type { Workload } from '../../workload/workload.ts'
import { faultsOf } from '../kvm/faults.ts'
import { Guest } from '../kvm/guest.ts'
import { writeAccesses } from '../kvm/guest-lists.ts'
import { interruptGuestVcpu, type VcpuResult } from '../kvm/run-vcpu.ts'
import type { DestinationMemory } from './destination-memory.ts'
import type { GuestVcpuThreadJob, VcpuJob } from './job.ts'
import type { SharedRestore } from './restore-state.ts'
import type { VcpuOutcome } from './vcpu.ts'

export interface VcpuThreads {
  readonly jobs: readonly (VcpuJob | GuestVcpuThreadJob)[]
  /** What becomes of a page that cannot be read: a guest fails on poison alone, a thread of ours would take the process along. */
  readonly broken: 'poison' | 'zero'
  /** What the threads' outcomes say. @throws LazyRestoreError `io` when a guest has failed */
  outcomesOf(posted: readonly unknown[]): VcpuOutcome[]
  /** Makes threads that run in the guest look at the phase. */
  interrupt(): void
  close(): void
}

export interface VcpuThreadsRequest {
  readonly memory: DestinationMemory
  readonly workload: Workload
  readonly install: InstallMethod
  readonly shared: SharedRestore
  readonly limitMs: number
}

export function createTouchers({ memory, workload, install, shared, limitMs }: VcpuThreadsRequest): VcpuThreads {
  const { layout, regions } = memory
  const { starts, page, thinkNs, flags, vcpus, pageSize } = workload
  const hostPage = hostPagesOf(layout, page)
  const blocks = regions.map(({ address, byteLength }) => ({ address, byteLength }))
  const placeOf = blockPlaces(memory)
  const jobs = Array.from({ length: vcpus }, (_, vcpu): VcpuJob => {
    const [start, end] = [starts[vcpu], starts[vcpu + 1]]
    const places = Array.from(page.subarray(start, end), placeOf)
    return {
      role: 'vcpu',
      vcpu,
      shared,
      install,
      blocks,
      block: Uint16Array.from(places, ({ block }) => block),
      offset: Float64Array.from(places, ({ targetPage }) => targetPage * pageSize),
      hostPage: hostPage.slice(start, end),
      thinkNs: thinkNs.slice(start, end),
      flags: flags.slice(start, end),
      limitMs,
    }
  })
  return {
    jobs,
    broken: 'zero',
    outcomesOf: posted => posted as VcpuOutcome[],
    interrupt: () => {},
    close: () => {},
  }
}

/** @throws LazyRestoreError `unsupported` when no guest can run here */
export function createGuestVcpus({ memory, workload, install, shared, limitMs }: VcpuThreadsRequest): VcpuThreads {
  const { starts, page, vcpus, pageSize } = workload
  const counts = Array.from({ length: vcpus }, (_, vcpu) => starts[vcpu + 1] - starts[vcpu])
  const guest = new Guest(memory.regions, counts)
  const placeOf = blockPlaces(memory)
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    writeAccesses(guest.list(vcpu), workload, starts[vcpu], starts[vcpu + 1], targetPage => {
      const place = placeOf(targetPage)
      return guest.addressOf(place.block, place.targetPage * pageSize)
    })
  }
  const jobs = counts.map((_, vcpu): GuestVcpuThreadJob => {
    return { role: 'guest', guest: guest.job(vcpu, 'walk'), shared, limitMs }
  })
  const hostPage = hostPagesOf(memory.layout, page)
  const hostPages = counts.map((_, vcpu) => hostPage.subarray(starts[vcpu], starts[vcpu + 1]))
  return {
    jobs,
    broken: 'poison',
    outcomesOf: posted => guestOutcomes(posted as VcpuResult[], hostPages, install === 'uffd' ? shared.faulted : null),
    interrupt: () => {
      for (const job of jobs) interruptGuestVcpu(job.guest)
    },
    close: () => guest.close(),
  }
}

function guestOutcomes(
  results: readonly VcpuResult[],
  hostPages: readonly Uint32Array[],
  faulted: Bitmap | null,
): VcpuOutcome[] {
  const failure = results.find(result => result.failure !== null)?.failure
  if (failure) throw new LazyRestoreError('io', failure)
  const accesses = results.map(({ times }, vcpu) => ({ hostPage: hostPages[vcpu], times: times! }))
  const waited = faulted === null ? results.map(() => new Uint32Array(0)) : faultsOf(accesses, faulted)
  return accesses.map(({ times }, vcpu) => {
    const latency = new LatencyHistogram()
    let stallNs = 0
    for (const access of waited[vcpu]) {
      latency.record(times.latencyNs[access])
      stallNs += times.latencyNs[access]
    }
    const count = times.startNs.length
    const endOf = (access: number): number => times.startNs[access] + times.latencyNs[access]
    return {
      firstAccessNs: count === 0 ? null : endOf(0),
      endNs: count === 0 ? results[vcpu].startNs : endOf(count - 1),
      faults: latency.count,
      stallNs,
      latency: latency.records,
      minorFaults: 0,
      finished: results[vcpu].outcome === 'done',
      checksum: 0,
    }
  })
}

/** Block, and target page within it, of a dense target page. */
function blockPlaces({ layout }: DestinationMemory): (page: number) => { block: number; targetPage: number } {
  const firstPages = layout.blocks.map(({ firstTargetPage }) => firstTargetPage)
  return page => {
    const block = firstPages.findLastIndex(first => first <= page)
    return { block, targetPage: page - firstPages[block] }
  }
}
