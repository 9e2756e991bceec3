/**
 * Measures a host and its storage device, and makes a profile of it: the simulator's parameters as the real engine pays them,
 * through the same binding, on worker threads. docs/model.md, "Calibration", says how each one is measured.
 */
import { availableParallelism, loadavg } from 'node:os'
import { MIB } from '../core/units.ts'
import { DEFAULT_HOST_PROFILE, type HostFacts, type HostProfile } from '../sim/host-profile.ts'
import { probe } from '../uffd/availability.ts'
import { allowedCpus } from '../uffd/cpu-affinity.ts'
import { hugePageReason } from '../uffd/huge-pages.ts'
import { kvmReason } from '../uffd/kvm/vm.ts'
import { evictFile } from '../uffd/page-cache-control.ts'
import { measureCoreShares } from './core-share.ts'
import { DeviceLoad, type PhaseResult } from './device/device-load.ts'
import { deviceParameters } from './device/device-parameters.ts'
import { DEVICE_PHASES, type PhaseRounds, readSamples } from './device/device-phases.ts'
import { createMeasuredFile, type MeasuredFile } from './device/measured-file.ts'
import type { Samples } from './estimate.ts'
import { measureFaultAround } from './fault-around.ts'
import { type FolderFacts, folderFacts, hostFacts } from './host-facts.ts'
import { type CountedName, hostParameters, type Missing, notMeasured } from './host-parameters.ts'
import { MeasuringThread } from './measuring-thread.ts'
import type { ProbeJob } from './probes/calls.ts'
import type { GuestMeasurement } from './probes/guest-probe.ts'
import { HugePageProbe } from './probes/install-probes.ts'
import { measureRoundTrips } from './round-trip/round-trips.ts'
import { measureShootdowns } from './shootdown.ts'
import { measureTouchesBeside } from './touch-beside.ts'

export interface CalibrationOptions {
  /** Where the file is made that is read; its device is measured. */
  readonly folder: string
  /** A quarter of the time, for a rougher profile. */
  readonly quick?: boolean
  onProgress?(text: string): void
}

export interface Calibration {
  readonly profile: HostProfile
  /** What could not be measured, in plain words. */
  readonly notes: readonly string[]
}

/** How much is measured. */
interface Effort {
  readonly fileBytes: number
  readonly probesMs: number
  readonly roundTripsMs: number
  readonly guestMs: number
  readonly sharesMs: number
  readonly shootdownsMs: number
  readonly touchesMs: number
  readonly deviceRounds: number
  readonly devicePhaseMs: number
}

const FULL: Effort = {
  fileBytes: 256 * MIB,
  probesMs: 14_000,
  roundTripsMs: 12_000,
  guestMs: 1000,
  sharesMs: 3000,
  shootdownsMs: 1500,
  touchesMs: 2000,
  deviceRounds: 9,
  devicePhaseMs: 100,
}
const QUICK: Effort = {
  fileBytes: 128 * MIB,
  probesMs: 2700,
  roundTripsMs: 2200,
  guestMs: 300,
  sharesMs: 600,
  shootdownsMs: 400,
  touchesMs: 500,
  deviceRounds: 3,
  devicePhaseMs: 40,
}
/** Beyond its budget, for a worker to start and to give memory back. */
const LIMIT_MS = 30_000
const MOST_THREADS = Math.max(...DEVICE_PHASES.map(({ threads }) => threads))

/**
 * @throws LazyRestoreError `io` when the folder cannot be written to; `limit` when a measuring thread does not answer in time.
 * What the host lacks is no error: its parameters keep the default profile's values and say so.
 */
export async function calibrate({ folder, quick = false, onProgress }: CalibrationOptions): Promise<Calibration> {
  const effort = quick ? QUICK : FULL
  const [loadBefore] = loadavg()
  const where = folderFacts(folder)
  onProgress?.('writing a file to read')
  const file = createMeasuredFile(folder, effort.fileBytes)
  try {
    const missing = findMissing(where, file)
    const counted = countedParameters(where, missing.native === null ? measureFaultAround(file.buffered) : null)
    const guest = await measureGuest(effort, missing, onProgress)
    const lacking: Missing = { ...missing, kvm: guest.reason }
    const calls = await measureHost(file, effort, lacking, onProgress)
    onProgress?.('timing how much of a core a thread gets')
    const threads = missing.native === null ? await measureThreads(effort, counted.cores.value) : []
    const rounds = await measureDevice(file, effort, missing, onProgress)
    const facts = hostFacts(where, loadBefore)
    const profile: HostProfile = {
      name: `calibrated ${facts.date.slice(0, 10)}`,
      host: describeHost(facts),
      facts,
      parameters: hostParameters(
        new Map([...calls, ...threads, ...guest.samples, ...readSamples(rounds)]),
        counted,
        lacking,
      ),
      ...(rounds.length === 0 ? {} : { device: deviceParameters(rounds) }),
    }
    const reasons = [...new Set(Object.values(lacking))].filter(reason => reason !== null)
    return { profile, notes: reasons.map(reason => `not measured: ${reason}`) }
  } finally {
    file.close()
  }
}

/** What threads at work beside each other take from each other. */
async function measureThreads(effort: Effort, cores: number): Promise<(readonly [string, readonly number[]])[]> {
  return [
    ...(await measureCoreShares(effort.sharesMs, cores)),
    ...(await measureShootdowns(effort.shootdownsMs)),
    ...(await measureTouchesBeside(effort.touchesMs)),
  ]
}

function findMissing(where: FolderFacts, file: MeasuredFile): Missing {
  const { koffi, userfaultfd } = probe()
  return {
    native: koffi,
    userfaultfd: koffi === null ? userfaultfd : null,
    hugePages: hugePageReason(2 * MIB, HugePageProbe.pages),
    secondCpu:
      allowedCpus().length > 1 ? null : 'round trips: found one CPU, expected two to tell waiting from working',
    kvm: koffi === null ? kvmReason() : null,
    device: koffi === null ? whyNoDevice(where, file) : null,
  }
}

async function measureHost(
  file: MeasuredFile,
  effort: Effort,
  missing: Missing,
  onProgress: CalibrationOptions['onProgress'],
): Promise<Samples> {
  if (missing.native !== null) return new Map()
  const userfaultfd = missing.userfaultfd === null
  onProgress?.('timing calls and faults')
  const job: ProbeJob = {
    file: file.buffered,
    fileBytes: file.byteLength,
    userfaultfd,
    hugePages: missing.hugePages === null,
    budgetMs: effort.probesMs,
  }
  const thread = new MeasuringThread({ role: 'calls', job })
  const calls = await thread.receive<Samples>(effort.probesMs + LIMIT_MS)
  await thread.end(LIMIT_MS)
  if (!userfaultfd) return calls
  onProgress?.('timing faults that travel between threads')
  const roundTrips = await measureRoundTrips({
    file: file.buffered,
    fileBytes: file.byteLength,
    guest: missing.kvm === null,
    budgetMs: effort.roundTripsMs,
  })
  return new Map([...calls, ...roundTrips])
}

async function measureGuest(
  { guestMs }: Effort,
  { native, kvm }: Missing,
  onProgress: CalibrationOptions['onProgress'],
): Promise<GuestMeasurement> {
  if (native !== null || kvm !== null) return { samples: new Map(), reason: kvm }
  onProgress?.('timing first accesses of a guest')
  const thread = new MeasuringThread({ role: 'guest', job: { budgetMs: guestMs } })
  const measurement = await thread.receive<GuestMeasurement>(guestMs + LIMIT_MS)
  await thread.end(LIMIT_MS)
  return measurement
}

function whyNoDevice({ inMemory, fileSystem }: FolderFacts, { direct }: MeasuredFile): string | null {
  if (inMemory) return `device: found ${fileSystem}, whose files are in memory, expected a folder on a device`
  return direct < 0 ? `device: found that ${fileSystem} refuses O_DIRECT, expected a folder that allows it` : null
}

async function measureDevice(
  file: MeasuredFile,
  { deviceRounds, devicePhaseMs }: Effort,
  { native, device }: Missing,
  onProgress: CalibrationOptions['onProgress'],
): Promise<PhaseRounds[]> {
  if (native !== null || device !== null) return []
  onProgress?.('starting threads that read the device')
  evictFile(file.buffered)
  const load = await DeviceLoad.start(file, MOST_THREADS)
  const rounds = DEVICE_PHASES.map(phase => ({ phase, results: [] as PhaseResult[] }))
  try {
    for (let round = 0; round < deviceRounds; round++) {
      onProgress?.(`reading the device: ${round + 1}/${deviceRounds}`)
      for (const { phase, results } of rounds)
        results.push(await load.run(phase, Math.max(devicePhaseMs, phase.leastMs ?? 0)))
    }
  } finally {
    await load.close()
  }
  return rounds
}

function countedParameters(
  { readaheadPages }: FolderFacts,
  faultAroundPages: number | null,
): Pick<HostProfile['parameters'], CountedName> {
  const defaults = DEFAULT_HOST_PROFILE.parameters
  const unit = '4 KiB pages'
  const cores = availableParallelism()
  return {
    cores: { value: cores, unit: 'cores', source: 'CPUs that this process may run on' },
    runQueues: { value: cores, unit: 'run queues', source: 'one for each CPU, Linux kernel/sched/sched.h struct rq' },
    migrationCostNs: defaults.migrationCostNs,
    coolingNs: defaults.coolingNs,
    readaheadPages:
      readaheadPages === null
        ? notMeasured(defaults.readaheadPages, 'the device tells no read_ahead_kb')
        : { value: readaheadPages, unit, source: 'read_ahead_kb of the device, /sys/class/bdi' },
    faultAroundPages:
      faultAroundPages === null
        ? notMeasured(defaults.faultAroundPages, '/proc/self/pagemap cannot be read')
        : {
            value: faultAroundPages,
            unit,
            source: 'measured: pages mapped by a fault on a cached file, /proc/self/pagemap',
          },
  }
}

function describeHost({ kernel, cpu, cores, virtualised, date }: HostFacts): string {
  const machine = virtualised === true ? ', a virtual machine' : ''
  return `${kernel}, ${cpu}, ${cores} ${cores === 1 ? 'core' : 'cores'}${machine}, ${date.slice(0, 10)}`
}
