/** Samples in, parameters out. */
import { describe, expect, it } from 'vitest'
import { AHEAD_PAGES, ALONE_PAGES, DIRECT_PAGES } from '../../src/calibrate/device/device-phases.ts'
import { hostParameters, type Missing } from '../../src/calibrate/host-parameters.ts'
import { NEIGHBOUR_PAGES } from '../../src/calibrate/probes/guest-probe.ts'
import { INSTALL_PAGES } from '../../src/calibrate/probes/install-probes.ts'
import { FILL_PAGES, FILLS, READ_PAGES } from '../../src/calibrate/probes/read-probes.ts'
import { HOT_THINK_NS, THINK_NS } from '../../src/calibrate/round-trip/schedule.ts'
import { DEFAULT_HOST_PROFILE, hostCosts } from '../../src/sim/host-profile.ts'

const CLOCK = 90
const NOTHING_MISSING: Missing = {
  native: null,
  userfaultfd: null,
  hugePages: null,
  secondCpu: null,
  kvm: null,
  device: null,
}
const counted = {
  cores: { value: 8, unit: 'cores', source: 'counted' },
  runQueues: { value: 8, unit: 'run queues', source: 'counted' },
  migrationCostNs: { value: 500_000, unit: 'ns', source: 'looked up' },
  coolingNs: { value: 20_000, unit: 'ns', source: 'looked up' },
  readaheadPages: { value: 64, unit: '4 KiB pages', source: 'counted' },
  faultAroundPages: { value: 16, unit: '4 KiB pages', source: 'counted' },
}
const known = hostCosts(DEFAULT_HOST_PROFILE)

/** What the handler's work takes less by a chain of calls. */
const SAVED_NS = 900

/** What the measures would be on a host whose costs are those of the default profile. */
function samplesOfDefault(): Map<string, number[]> {
  const samples = new Map<string, number[]>()
  const put = (measure: string, ns: number) => samples.set(measure, new Array(30).fill(ns + CLOCK))
  samples.set('clock', new Array(30).fill(CLOCK))
  samples.set('share alone', new Array(30).fill(known.threadAlonePerMille))
  samples.set('share all', new Array(30).fill(known.threadAllPerMille))
  for (const pages of INSTALL_PAGES) {
    put(`copy anon ${pages}`, known.copyCallNs + pages * known.copyAnon4kNs)
    put(`copy shmem ${pages}`, known.copyCallNs + pages * known.copyShmem4kNs)
    put(`zeropage anon ${pages}`, known.zeroCallNs + pages * known.zeroAnon4kNs)
    put(`zeropage shmem ${pages}`, known.zeroCallNs + pages * known.zeroShmem4kNs)
  }
  for (const pages of READ_PAGES) put(`read ${pages}`, known.readCallNs + pages * known.read4kNs)
  const [requestNs, request4kNs] = [19_000, 250]
  for (const pages of DIRECT_PAGES) put(`direct read ${pages}`, requestNs + pages * request4kNs)
  put('fresh read 256', requestNs + 256 * (request4kNs + known.anonPinFaultNs))
  const hitNs = (pages: number) => known.readCallNs + pages * known.read4kNs
  for (const pages of ALONE_PAGES) put(`alone read ${pages}`, requestNs + hitNs(pages) + pages * known.cacheFill4kNs)
  put(`again read ${AHEAD_PAGES}`, hitNs(AHEAD_PAGES))
  put(`ahead read ${AHEAD_PAGES}`, hitNs(AHEAD_PAGES) + AHEAD_PAGES * known.readaheadFill4kNs)
  for (const pages of FILL_PAGES) put(`fill ${pages}`, FILLS * (30 + pages * known.fillZero4kNs))
  put('copy hugetlb', known.copyCallNs + known.copyHuge2mNs)
  put('touch hugetlb', known.hugeFault2mNs)
  put('register', known.registerNs)
  put('nap', known.standBackNs)
  put('carried', known.readCallNs + known.read4kNs + known.copyCallNs + known.copyAnon4kNs + known.runNs)
  put('map', known.mapRegionNs)
  put('touch anon read', known.anonReadFaultNs)
  put('touch anon write', known.anonWriteFaultNs)
  put('touch shmem write', known.shmemFaultNs)
  put('touch file read', known.fileMapFaultNs)
  put('touch file write', known.cowFaultNs)
  put('shootdown alone', 1000)
  put('shootdown beside', 1000 + known.tlbShootdownNs)
  put('shootdown interrupt', known.tlbInterruptNs)
  put('touch alone', known.kernelBesidePerMille)
  put('touch beside', 1000)
  put('touch installed', known.shadowFaultNs)
  put('touch again', 0)
  putGuest(samples, known.guestFaultPages)
  samples.set('together', new Array(30).fill(known.idleSearch === 1 ? 0 : 1000))
  put('trap', known.faultTrapNs)
  // Of the handler's work on a message, some is done after the install.
  const restNs = 400
  const messageNs = known.messageReadNs + SAVED_NS - restNs + known.readCallNs + known.read4kNs
  put('message', messageNs)
  put('rest', restNs)
  const waking = { local: [known.handlerWakeLocalNs, known.wakeCallLocalNs, known.vcpuWakeLocalNs] }
  const remote = [known.handlerWakeRemoteNs, known.wakeCallRemoteNs, known.vcpuWakeRemoteNs]
  for (const [kind, [handler, call, vcpu]] of Object.entries({ ...waking, remote })) {
    put(`${kind} message`, known.faultTrapNs + handler + restNs + messageNs)
    put(`${kind} install`, known.copyCallNs + known.copyAnon4kNs + call)
    put(`${kind} run`, vcpu)
    put(`${kind} latency`, 50_000)
  }
  put('busy message', known.faultTrapNs + known.handlerWakeLocalNs + known.busyWakeNs + restNs + messageNs)
  put('chained latency', 50_000 - SAVED_NS)
  for (const ns of [HOT_THINK_NS, ...THINK_NS]) put(`local after ${ns}`, 50_000)
  samples.set('guest remote latency', new Array(30).fill(50_000 + known.guestFaultNs + known.guestWakeNs))
  const besideNs = known.guestFaultNs + known.guestWakeNs + known.guestSleepNs - known.handlerWakeLocalNs
  samples.set('guest local latency', new Array(30).fill(50_000 + besideNs))
  return samples
}

/** The guest's own clock takes 20 ns, and a page that the hypervisor has mapped ahead 200 ns more. */
function putGuest(samples: Map<string, number[]>, window: number): void {
  const put = (measure: string, ns: number) => samples.set(measure, new Array(30).fill(ns + 20))
  put('guest fault', known.guestFaultNs)
  put('guest mapped', 0)
  for (const distance of NEIGHBOUR_PAGES) {
    put(`guest neighbour ${distance}`, distance < window ? 200 : known.guestFaultNs)
  }
}

function unitOf(name: string): string {
  if (name === 'idleSearch') return '0 or 1'
  return name.endsWith('Ns') ? 'ns' : name.endsWith('PerMille') ? '‰' : '4 KiB pages'
}

describe('host parameters', () => {
  it('are found again from what a host with known costs would measure', () => {
    const parameters = hostParameters(samplesOfDefault(), counted, NOTHING_MISSING)
    const { cores, runQueues, migrationCostNs, coolingNs, readaheadPages, faultAroundPages, ...timed } = parameters
    expect({ cores, runQueues, migrationCostNs, coolingNs, readaheadPages, faultAroundPages }).toEqual(counted)
    for (const [name, { value, unit, source, spread }] of Object.entries(timed)) {
      expect(value, name).toBe(known[name as keyof typeof known])
      expect(spread, name).toEqual({ p10: value, p90: value })
      expect(unit, name).toBe(unitOf(name))
      expect(source, name).toMatch(/^measured: /)
    }
  })

  it('are those of the default profile, in its order', () => {
    const parameters = hostParameters(samplesOfDefault(), counted, NOTHING_MISSING)
    expect(Object.keys(parameters)).toEqual(Object.keys(DEFAULT_HOST_PROFILE.parameters))
  })

  it.each<[keyof Missing, string[]]>([
    ['hugePages', ['copyHuge2mNs', 'hugeFault2mNs']],
    ['kvm', ['guestFaultNs', 'guestFaultPages', 'guestSleepNs', 'guestWakeNs']],
    ['device', ['cacheFill4kNs', 'readaheadFill4kNs', 'anonPinFaultNs']],
    [
      'secondCpu',
      [
        'idleSearch',
        'kernelBesidePerMille',
        'faultTrapNs',
        'coldFaultNs',
        'handlerWakeLocalNs',
        'handlerWakeRemoteNs',
        'busyWakeNs',
        'messageReadNs',
        'wakeCallLocalNs',
        'wakeCallRemoteNs',
        'vcpuWakeLocalNs',
        'vcpuWakeRemoteNs',
        'tlbShootdownNs',
        'tlbInterruptNs',
        'guestSleepNs',
        'guestWakeNs',
      ],
    ],
  ])('keep the default and say why where %s is missing', (what, names) => {
    const parameters = hostParameters(samplesOfDefault(), counted, { ...NOTHING_MISSING, [what]: 'there is none' })
    const kept = Object.entries(parameters).filter(([, { source }]) => source.startsWith('not measured here'))
    expect(kept.map(([name]) => name)).toEqual(names)
    for (const [name, { value, source }] of kept) {
      const fallback = DEFAULT_HOST_PROFILE.parameters[name as keyof typeof known]
      expect([value, source]).toEqual([
        fallback.value,
        `not measured here (there is none); default: ${fallback.source}`,
      ])
    }
  })

  it.each([1, 2, 8, 32, 64])('know the window of a guest fault by its neighbours: %d pages', pages => {
    const samples = samplesOfDefault()
    putGuest(samples, pages)
    const { value, spread } = hostParameters(samples, counted, NOTHING_MISSING).guestFaultPages
    expect([value, spread]).toEqual([pages, { p10: pages, p90: pages }])
  })

  it.each([
    { together: 900, idleSearch: 0 },
    { together: 100, idleSearch: 1 },
  ])(
    'say whether idle cores are looked for by where threads stay: together for $together ‰ of faults',
    ({ together, idleSearch }) => {
      const samples = samplesOfDefault().set('together', [together])
      expect(hostParameters(samples, counted, NOTHING_MISSING).idleSearch.value).toBe(idleSearch)
    },
  )

  it('need no samples at all without koffi', () => {
    const parameters = hostParameters(new Map(), counted, { ...NOTHING_MISSING, native: 'no koffi' })
    const sources = Object.values(parameters).map(({ source }) => source)
    const lookedUp = Object.keys(counted).length
    expect(sources.filter(source => source.startsWith('not measured here (no koffi)'))).toHaveLength(
      sources.length - lookedUp,
    )
  })

  it('find how caches cool, and take what it adds on average off the other costs', () => {
    const samples = samplesOfDefault()
    const coldNs = (thinkNs: number) => (8000 * thinkNs) / (thinkNs + 20_000)
    for (const ns of [HOT_THINK_NS, ...THINK_NS])
      samples.set(`local after ${ns}`, new Array(30).fill(6000 + CLOCK + coldNs(ns)))
    const found = hostParameters(samples, counted, NOTHING_MISSING)
    expect(found.coldFaultNs.value).toBe(8000)
    const meanNs = THINK_NS.reduce((sum, ns) => sum + coldNs(ns), 0) / THINK_NS.length
    expect(found.messageReadNs.value).toBe(Math.max(0, Math.round(known.messageReadNs - meanNs)))
  })

  it('add up to the round trip that was measured', () => {
    const { faultTrapNs, handlerWakeRemoteNs, messageReadNs, readCallNs, read4kNs, ...others } = Object.fromEntries(
      Object.entries(hostParameters(samplesOfDefault(), counted, NOTHING_MISSING)).map(([k, { value }]) => [k, value]),
    )
    const untilInstall = faultTrapNs + handlerWakeRemoteNs + messageReadNs + readCallNs + read4kNs
    expect(untilInstall).toBe(samplesOfDefault().get('remote message')![0] - CLOCK - SAVED_NS)
    const install = others.copyCallNs + others.copyAnon4kNs + others.wakeCallRemoteNs
    expect(install).toBe(samplesOfDefault().get('remote install')![0] - CLOCK)
  })

  it('are never negative', () => {
    const samples = samplesOfDefault().set('remote message', [CLOCK])
    expect(hostParameters(samples, counted, NOTHING_MISSING).handlerWakeRemoteNs.value).toBe(0)
  })
})
