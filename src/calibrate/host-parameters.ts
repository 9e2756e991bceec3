/**
 * From samples to the parameters of the host profile. Each parameter is a formula over averages of measures; docs/model.md,
 * "Calibration", says the same in words. What could not be measured keeps the default profile's value, and says so.
 */
import { DEFAULT_HOST_PROFILE, type HostCosts, type HostProfile, type ProfileParameter } from '../sim/host-profile.ts'
import { Costs } from './costs.ts'
import { type Estimate, estimate, type Samples } from './estimate.ts'
import { fitSlope } from './line.ts'
import { INSTALL_PAGES } from './probes/install-probes.ts'
import { FILL_PAGES, FILLS } from './probes/read-probes.ts'

/** Why something could not be measured; null when it could. */
export interface Missing {
  readonly native: string | null
  readonly userfaultfd: string | null
  readonly hugePages: string | null
  readonly secondCpu: string | null
  readonly kvm: string | null
  readonly device: string | null
}

/** A parameter that comes from the samples. */
interface Formula {
  readonly needs: readonly (keyof Missing)[]
  readonly how: string
  readonly unit: string
  compute(costs: Costs): number
}

/** Parameters that are looked up, not timed. */
export type CountedName =
  | 'cores'
  | 'runQueues'
  | 'migrationCostNs'
  | 'coolingNs'
  | 'readaheadPages'
  | 'faultAroundPages'
type TimedName = Exclude<keyof HostCosts, CountedName>
const COUNTED: { readonly [K in CountedName]: true } = {
  cores: true,
  runQueues: true,
  migrationCostNs: true,
  coolingNs: true,
  readaheadPages: true,
  faultAroundPages: true,
}

const NATIVE: Formula['needs'] = ['native']
const UFFD: Formula['needs'] = ['native', 'userfaultfd']
const HUGE: Formula['needs'] = ['native', 'userfaultfd', 'hugePages']
const DEVICE: Formula['needs'] = ['native', 'device']
const GUEST: Formula['needs'] = ['native', 'kvm']
const TWO_CPUS: Formula['needs'] = ['native', 'secondCpu']
/** Local figures too: the trap that is taken off them is timed on two CPUs. */
const ROUND_TRIP: Formula['needs'] = ['native', 'userfaultfd', 'secondCpu']
const GUEST_TRIP: Formula['needs'] = [...ROUND_TRIP, 'kvm']

const FORMULAS: { readonly [K in TimedName]: Formula } = {
  threadAlonePerMille: formula(
    NATIVE,
    'share of a core that a thread gets which spins alone on the host, gaps of 5 µs and more taken off',
    c => c.count('share alone'),
    '‰',
  ),
  threadAllPerMille: formula(NATIVE, 'the same, while all cores spin', c => c.count('share all'), '‰'),
  kernelBesidePerMille: formula(
    TWO_CPUS,
    'first touch of a page alone, as a share of one while a thread on another CPU touches pages of the same memory',
    c => Math.min(1000, (1000 * c.of('touch alone')) / Math.max(1, c.of('touch beside'))),
    '‰',
  ),
  idleSearch: formula(
    ROUND_TRIP,
    'a handler and a thread that touches, both on one CPU at first: 0 where most of their first faults leave them there, though another is idle',
    c => (c.count('together') > 500 ? 0 : 1),
    '0 or 1',
  ),
  faultTrapNs: formula(ROUND_TRIP, 'access to message in the queue, read by a thread that never sleeps', c => c.trap),
  coldFaultNs: formula(
    ROUND_TRIP,
    'fault latency on one CPU after 1 to 50 µs of computing: slope over ns / (ns + coolingNs)',
    c => c.coldFault,
  ),
  handlerWakeLocalNs: formula(
    ROUND_TRIP,
    "access to install call of the engine's handler on the same CPU, less faultTrapNs, messageReadNs and the read",
    c => c.handlerWake('local'),
  ),
  handlerWakeRemoteNs: formula(
    ROUND_TRIP,
    "access to install call of the engine's handler where the kernel wakes it while a CPU is idle, less faultTrapNs, messageReadNs and the read",
    c => c.handlerWake('remote'),
  ),
  standBackNs: formula(NATIVE, 'a sleep of 100 µs', c => c.of('nap')),
  busyWakeNs: formula(
    ROUND_TRIP,
    "access to install call of the engine's handler on a CPU where another thread computes, less the same where both threads of the round trip share one",
    c => c.busyWake,
  ),
  messageReadNs: formula(
    ROUND_TRIP,
    "the engine's handler: a message that lies there to the install call, end of the call to the next poll, less the read, what a chain of calls saves, and the mean of what coldFaultNs adds",
    c => c.messageRead,
  ),
  wakeCallLocalNs: formula(
    ROUND_TRIP,
    'UFFDIO_COPY of 4 KiB with a waiter on the same CPU, until one of the two goes on, less copyCallNs and copyAnon4kNs',
    c => c.wakeCall('local'),
  ),
  wakeCallRemoteNs: formula(
    ROUND_TRIP,
    'UFFDIO_COPY of 4 KiB with a waiter that wakes while a CPU is idle, less copyCallNs and copyAnon4kNs',
    c => c.wakeCall('remote'),
  ),
  vcpuWakeLocalNs: formula(ROUND_TRIP, 'end of UFFDIO_COPY to the access done, same CPU', c => c.of('local run')),
  vcpuWakeRemoteNs: formula(ROUND_TRIP, 'end of UFFDIO_COPY to the access done, while a CPU is idle', c =>
    c.of('remote run'),
  ),
  copyCallNs: formula(UFFD, 'UFFDIO_COPY anon, intercept over 4 KiB to 2 MiB', c => c.copy.intercept),
  copyAnon4kNs: formula(UFFD, 'UFFDIO_COPY anon, slope over 4 KiB to 2 MiB', c => c.copy.slope),
  copyShmem4kNs: formula(UFFD, 'UFFDIO_COPY shmem, slope over 4 KiB to 2 MiB beyond copyCallNs', c =>
    fitSlope(c.points('copy shmem', INSTALL_PAGES), c.copy.intercept),
  ),
  copyHuge2mNs: formula(
    HUGE,
    'UFFDIO_COPY of a 2 MiB hugetlb page, less copyCallNs',
    c => c.of('copy hugetlb') - c.copy.intercept,
  ),
  zeroCallNs: formula(UFFD, 'UFFDIO_ZEROPAGE anon, intercept over 4 KiB to 2 MiB', c => c.zeropage.intercept),
  zeroAnon4kNs: formula(UFFD, 'UFFDIO_ZEROPAGE anon, slope over 4 KiB to 2 MiB', c => c.zeropage.slope),
  zeroShmem4kNs: formula(UFFD, 'UFFDIO_ZEROPAGE shmem, slope over 4 KiB to 2 MiB beyond zeroCallNs', c =>
    fitSlope(c.points('zeropage shmem', INSTALL_PAGES), c.zeropage.intercept),
  ),
  registerNs: formula(UFFD, 'UFFDIO_REGISTER of 2 MiB', c => c.of('register')),
  mapRegionNs: formula(NATIVE, 'mmap MAP_FIXED of 64 KiB of a file into anonymous memory', c => c.of('map')),
  readCallNs: formula(NATIVE, 'pread from the page cache, intercept over 4 KiB to 1 MiB', c => c.read.intercept),
  read4kNs: formula(NATIVE, 'pread from the page cache, slope over 4 KiB to 1 MiB', c => c.read.slope),
  cacheFill4kNs: formula(
    DEVICE,
    'CPU of scattered reads that miss the page cache, slope over 4 KiB to 128 KiB, less read4kNs',
    c => c.cacheFill,
  ),
  readaheadFill4kNs: formula(
    DEVICE,
    'CPU of reads of 128 KiB in order that miss the page cache, less that of the same once more, per 4 KiB',
    c => c.readaheadFill,
  ),
  fillZero4kNs: formula(
    NATIVE,
    'fill of a typed array with zeros, slope over 4 KiB to 256 KiB',
    c => c.line('fill', FILL_PAGES).slope / FILLS,
  ),
  anonWriteFaultNs: formula(NATIVE, 'first touch of an anonymous page, write', c => c.of('touch anon write')),
  anonReadFaultNs: formula(NATIVE, 'first touch of an anonymous page, read', c => c.of('touch anon read')),
  runNs: formula(
    UFFD,
    'a worker of the engine that installs single pages here and there from a cached file, per page, less the read and the install',
    c => c.run,
  ),
  anonPinFaultNs: formula(
    DEVICE,
    'CPU of direct reads of 1 MiB into anonymous memory without pages, less that of the same into memory that has them, per 4 KiB',
    c => c.pinFault,
  ),
  shmemFaultNs: formula(NATIVE, 'first touch of a shmem page', c => c.of('touch shmem write')),
  hugeFault2mNs: formula(HUGE, 'first touch of a 2 MiB hugetlb page', c => c.of('touch hugetlb')),
  fileMapFaultNs: formula(NATIVE, 'MAP_PRIVATE file fault, cached, read', c => c.of('touch file read')),
  cowFaultNs: formula(NATIVE, 'MAP_PRIVATE file page, cached, write', c => c.of('touch file write')),
  tlbShootdownNs: formula(
    TWO_CPUS,
    'first write to a page that was read, while another CPU runs a thread of the process, less one while none does',
    c => c.of('shootdown beside') - c.of('shootdown alone'),
  ),
  tlbInterruptNs: formula(TWO_CPUS, 'how long such a write keeps a thread on another CPU from its loop', c =>
    c.of('shootdown interrupt'),
  ),
  shadowFaultNs: formula(
    UFFD,
    'first access to a page that UFFDIO_COPY installed, less one to the same page again',
    c => c.of('touch installed') - c.of('touch again'),
  ),
  guestFaultNs: formula(
    GUEST,
    'first access of a KVM guest to a resident 4 KiB page, less one to the same page again',
    c => c.guestFault,
  ),
  guestFaultPages: formula(
    GUEST,
    'aligned window around a first access of a KVM guest whose pages are no fault after it',
    c => c.guestWindow,
    '4 KiB pages',
  ),
  guestSleepNs: formula(
    GUEST_TRIP,
    "fault latency of a KVM guest less a thread's, both with the handler on the same CPU, less guestFaultNs and guestWakeNs, plus handlerWakeLocalNs",
    c => c.guestSleep,
  ),
  guestWakeNs: formula(
    GUEST_TRIP,
    "fault latency of a KVM guest less a thread's, both where the kernel wakes them while a CPU is idle, less guestFaultNs",
    c => c.guestWake,
  ),
}

function formula(needs: Formula['needs'], how: string, compute: Formula['compute'], unit = 'ns'): Formula {
  return { needs, how, compute, unit }
}

/**
 * The host's part of a profile.
 * @param counted the parameters that are looked up
 * @param missing a formula that needs what is missing is not computed
 */
export function hostParameters(
  samples: Samples,
  counted: { readonly [K in CountedName]: ProfileParameter },
  missing: Missing,
): HostProfile['parameters'] {
  const defaults = DEFAULT_HOST_PROFILE.parameters
  const names = Object.keys(defaults) as (keyof HostCosts)[]
  const parameters = names.map(name => {
    if (isCounted(name)) return [name, counted[name]]
    const { needs, how, compute, unit } = FORMULAS[name]
    const reason = needs.map(need => missing[need]).find(text => text !== null)
    if (reason !== undefined) return [name, notMeasured(defaults[name], reason)]
    return [
      name,
      measured(
        unit,
        how,
        estimate(samples, average => compute(new Costs(average))),
      ),
    ]
  })
  return Object.fromEntries(parameters)
}

/** A parameter as measured: whole, and not below 0. */
export function measured(unit: string, how: string, { value, p10, p90 }: Estimate): ProfileParameter {
  const whole = (figure: number) => Math.max(0, Math.round(figure))
  return { value: whole(value), unit, source: `measured: ${how}`, spread: { p10: whole(p10), p90: whole(p90) } }
}

export function notMeasured({ value, unit, source }: ProfileParameter, reason: string): ProfileParameter {
  return { value, unit, source: `not measured here (${reason}); default: ${source}` }
}

function isCounted(name: keyof HostCosts): name is CountedName {
  return name in COUNTED
}
