/**
 * The C twin of the simulator, bench/c/simulate.c: writes its input, runs it, and says what of a simulation's outcome must
 * equal the twin's to the nanosecond.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { createRandom } from '../src/core/random.ts'
import { OP_COPY, OP_ZEROPAGE } from '../src/resolver/resolver.ts'
import type { SimulationInput, SimulationOutput } from '../src/sim/simulate.ts'
import { latencyTable } from '../src/storage/device-queue.ts'
import { compileC } from './compile-c.ts'

/** What is compared; every number exactly. */
export interface Outcome {
  readonly resumeNs: number
  readonly firstAccessNs: number
  readonly workDoneNs: number
  readonly residentNs: number
  /** Over all vCPUs. */
  readonly stallNs: number
  readonly latencyMeanNs: number
  readonly latencyMaxNs: number
  readonly latencyP50Ns: number
  readonly latencyP99Ns: number
  readonly faults: number
  readonly minorFaults: number
  readonly copies: number
  readonly zeropages: number
  readonly bytesRead: number
  readonly bytesInstalled: number
  readonly deviceBytes: number
  readonly running: number
}

export interface TwinRun {
  /** CPU time of each round. */
  readonly roundNs: readonly number[]
  readonly outcome: Outcome
}

/** Writes the twin's input for a simulation to `file`. */
export function writeTwinInput(input: SimulationInput, file: string): void {
  const { layout, workload, hostPage, storage } = input
  const columns = [
    Float64Array.from(Object.values(twinParameters(input))),
    latencyTable(storage.device),
    layout.hasData,
    workload.starts,
    hostPage,
    workload.thinkNs,
    workload.flags,
  ]
  const fd = openSync(file, 'w')
  for (const { buffer, byteOffset, byteLength } of columns)
    writeSync(fd, new Uint8Array(buffer, byteOffset, byteLength))
  closeSync(fd)
}

/** The fields of `struct parameters` in bench/c/input.h, in their order. */
function twinParameters({ layout, policy, workload, storage, costs, fixedNs, seed }: SimulationInput) {
  const { mechanism } = policy
  const { device, cacheWarm } = storage
  const [{ kind, pageShift, hostPageSize }, ...others] = layout.blocks
  if (others.length > 0 || kind !== 'anon' || pageShift !== 0 || hostPageSize !== 4096) {
    throw new Error(`C twin: found ${layout.description}, expected one block on anon 4 KiB`)
  }
  if (mechanism.install !== 'uffd' || mechanism.handlers !== 1 || !/^lazy(-sweep)?(:|$)/.test(policy.name)) {
    throw new Error(`C twin: found policy ${policy.name}, expected lazy or lazy-sweep with one handler`)
  }
  return {
    cores: costs.cores,
    runQueues: costs.runQueues,
    idleSearch: costs.idleSearch,
    migrationCostNs: costs.migrationCostNs,
    threadAlonePerMille: costs.threadAlonePerMille,
    threadAllPerMille: costs.threadAllPerMille,
    kernelBesidePerMille: costs.kernelBesidePerMille,
    vcpus: workload.vcpus,
    accesses: workload.page.length,
    pages: layout.hostPageCount,
    workers: mechanism.workers,
    direct: Number(mechanism.direct),
    readBytes: mechanism.readBytes,
    zeroBytes: mechanism.zeroBytes,
    yieldToFaults: Number(mechanism.yieldToFaults),
    rateBytesPerS: mechanism.rateBytesPerS ?? 0,
    resumeNs: costs.registerNs + fixedNs,
    cacheWarm: Number(cacheWarm),
    randomState: createRandom(seed)[0],
    iopsLimit: device.iopsLimit,
    bandwidthBytesPerS: device.bandwidthBytesPerS,
    queueDepth: device.queueDepth,
    haltPollNs: device.haltPollNs,
    idleWakeNs: device.idleWakeNs,
    cpuPerReadNs: device.cpuPerReadNs,
    cpuPerRead4kNs: device.cpuPerRead4kNs,
    cacheFill4kNs: costs.cacheFill4kNs,
    readaheadFill4kNs: costs.readaheadFill4kNs,
    readaheadPages: costs.readaheadPages,
    faultTrapNs: costs.faultTrapNs,
    handlerWakeLocalNs: costs.handlerWakeLocalNs,
    handlerWakeRemoteNs: costs.handlerWakeRemoteNs,
    busyWakeNs: costs.busyWakeNs,
    standBackNs: costs.standBackNs,
    tlbInterruptNs: costs.tlbInterruptNs,
    messageReadNs: costs.messageReadNs,
    runNs: costs.runNs,
    wakeCallLocalNs: costs.wakeCallLocalNs,
    wakeCallRemoteNs: costs.wakeCallRemoteNs,
    vcpuWakeLocalNs: costs.vcpuWakeLocalNs,
    vcpuWakeRemoteNs: costs.vcpuWakeRemoteNs,
    copyCallNs: costs.copyCallNs,
    copyAnon4kNs: costs.copyAnon4kNs,
    zeroCallNs: costs.zeroCallNs,
    zeroAnon4kNs: costs.zeroAnon4kNs,
    readCallNs: costs.readCallNs,
    read4kNs: costs.read4kNs,
    anonWriteFaultNs: costs.anonWriteFaultNs,
  }
}

/** Runs the twin on a written input. */
export function runTwin(file: string, rounds: number): TwinRun {
  const { status, stdout, stderr, error } = spawnSync(compileC('simulate'), [file, String(rounds)], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`C twin: exit ${status}: ${stderr}`, { cause: error })
  return JSON.parse(stdout)
}

/** The same of a simulation by src/sim. */
export function outcomeOf({ resumeNs, vcpus, carriers, memory, device }: SimulationOutput): Outcome {
  return {
    resumeNs,
    firstAccessNs: vcpus.firstAccessNs,
    workDoneNs: vcpus.workDoneNs,
    residentNs: memory.residentNs,
    stallNs: vcpus.stallNs.reduce((sum, ns) => sum + ns, 0),
    latencyMeanNs: vcpus.latency.mean,
    latencyMaxNs: vcpus.latency.max,
    latencyP50Ns: vcpus.latency.quantile(0.5),
    latencyP99Ns: vcpus.latency.quantile(0.99),
    faults: vcpus.faults,
    minorFaults: vcpus.minorFaults,
    copies: carriers.pagesInstalled[OP_COPY],
    zeropages: carriers.pagesInstalled[OP_ZEROPAGE],
    bytesRead: carriers.bytesRead,
    bytesInstalled: carriers.bytesInstalled,
    deviceBytes: device.bytesDelivered,
    running: vcpus.running,
  }
}
