/** Runs one restore in the simulator and in the naive one, and makes records of both that can be compared. */
import type { FaultPath } from '../../src/sim/fault-path.ts'
import { type SimulationOutput, simulate } from '../../src/sim/simulate.ts'
import type { Machine, NaiveInput } from './naive/machine.ts'
import { naiveBlocks } from './naive/memory.ts'
import { simulateNaively } from './naive/simulate.ts'
import type { Restore } from './random-restore.ts'

/** What a simulation needs to be told. */
export type Simulated = Omit<Restore, 'spec' | 'workingSet' | 'faultPath'> & { readonly faultPath?: FaultPath }

export type Install = [operation: number, first: number, count: number]

export interface Outcome {
  readonly resumeNs: number
  readonly firstAccessNs: number
  readonly workDoneNs: number
  readonly residentNs: number
  readonly stallNs: readonly number[]
  readonly faults: number
  readonly minorFaults: number
  /** By operation. */
  readonly pagesInstalled: readonly number[]
  readonly bytesRead: number
  readonly bytesInstalled: number
  readonly deviceBytes: number
  readonly latency: { readonly count: number; readonly mean: number; readonly max: number }
  /** Every install call, in order. */
  readonly installs: readonly Install[]
  /** Host pages at the end. */
  readonly resident: readonly number[]
  readonly writable: readonly number[]
  readonly faulted: readonly number[]
}

export function runFast({ newPolicy, ...input }: Simulated): { output: SimulationOutput; outcome: Outcome } {
  const installs: Install[] = []
  const observer = { installed: (...install: Install) => void installs.push(install) }
  const output = simulate({ ...input, policy: newPolicy(), observer })
  const { resumeNs, vcpus, carriers, memory, device } = output
  const pages = Array.from({ length: input.layout.hostPageCount }, (_, page) => page)
  const pagesOf = (bitmap: Uint32Array) =>
    pages.filter(page => (bitmap[Math.floor(page / 32)] & (1 << (page % 32))) !== 0)
  const outcome = {
    resumeNs,
    firstAccessNs: vcpus.firstAccessNs,
    workDoneNs: vcpus.workDoneNs,
    residentNs: memory.residentNs,
    stallNs: [...vcpus.stallNs],
    faults: vcpus.faults,
    minorFaults: vcpus.minorFaults,
    pagesInstalled: [...carriers.pagesInstalled],
    bytesRead: carriers.bytesRead,
    bytesInstalled: carriers.bytesInstalled,
    deviceBytes: device.bytesDelivered,
    latency: { count: vcpus.latency.count, mean: vcpus.latency.mean, max: vcpus.latency.max },
    installs,
    resident: pagesOf(memory.resident),
    writable: pagesOf(memory.writable),
    faulted: [...new Set(vcpus.faultedPages.subarray(0, vcpus.faults))].sort((a, b) => a - b),
  }
  return { output, outcome }
}

export function runNaively(
  restore: Simulated,
  changes: Partial<NaiveInput> = {},
): { machine: Machine; outcome: Outcome } {
  const { layout, newPolicy, storage, ...input } = restore
  const blocks = naiveBlocks(layout)
  const machine = simulateNaively({ ...input, ...storage, blocks, policy: newPolicy(), ...changes })
  if (machine.waiting.length > 0) throw new Error(`vCPUs ${machine.waiting.join(', ')} wait for ever`)
  const { installs, latencies } = machine
  const inOrder = (pages: ReadonlySet<number>) => [...pages].sort((a, b) => a - b)
  const totalNs = latencies.reduce((total, ns) => total + ns, 0)
  const outcome = {
    resumeNs: machine.resumeNs,
    firstAccessNs: machine.firstAccessNs,
    workDoneNs: machine.workDoneNs,
    residentNs: machine.residentNs,
    stallNs: machine.vcpus.map(({ stallNs }) => stallNs),
    faults: machine.faults,
    minorFaults: machine.minorFaults,
    pagesInstalled: [0, 1, 2].map(wanted =>
      installs.reduce((pages, [operation, , count]) => pages + (operation === wanted ? count : 0), 0),
    ),
    bytesRead: machine.bytesRead,
    bytesInstalled: machine.bytesInstalled,
    deviceBytes: machine.device.bytesDelivered,
    latency: {
      count: latencies.length,
      mean: latencies.length === 0 ? 0 : totalNs / latencies.length,
      max: Math.max(0, ...latencies),
    },
    installs,
    resident: inOrder(machine.resident),
    writable: inOrder(machine.writable),
    faulted: inOrder(machine.faulted),
  }
  return { machine, outcome }
}
