/** Host profiles: every parameter with value, unit and source, or none at all. */
import { describe, expect, test } from 'vitest'
import { LazyRestoreError } from '../../src/core/error.ts'
import { DEFAULT_HOST_PROFILE, deviceOf, type HostProfile, hostCosts } from '../../src/sim/host-profile.ts'
import { parseHostProfile } from '../../src/sim/host-profile-file.ts'

type Parameters = Record<string, unknown>

/** The default profile as a file has it, with some of its parameters changed. */
function fileWith(change: (parameters: Parameters) => void): unknown {
  const file = structuredClone(DEFAULT_HOST_PROFILE) as unknown as { parameters: Parameters }
  change(file.parameters)
  return file
}

const parameter = (value: number) => ({
  value,
  unit: 'ns',
  source: 'measured',
  spread: { p10: value - 1, p90: value + 1 },
})

/** As `calibrate` writes it. */
const calibrated = {
  device: {
    latencyNs: 5000,
    latencyP99Ns: 9000,
    bandwidthBytesPerS: 2e9,
    iopsLimit: 70_000,
    queueDepth: 8,
    haltPollNs: 90_000,
    idleWakeNs: 60_000,
    cpuPerReadNs: 15_000,
    cpuPerRead4kNs: 250,
  },
  profile: {
    name: 'calibrated',
    host: 'a machine',
    facts: {
      cpu: 'c',
      cores: 4,
      kernel: 'Linux 6.18',
      node: 'v20.20.2',
      virtualised: null,
      date: '2026-01-02T00:00:00.000Z',
      fileSystem: 'ext4',
      blockDevice: null,
      loadBefore: 0.25,
      loadAfter: 1,
    },
    parameters: { ...DEFAULT_HOST_PROFILE.parameters, copyCallNs: parameter(2200) },
    device: {
      latencyNs: parameter(5000),
      latencyP99Ns: parameter(9000),
      bandwidthBytesPerS: parameter(2e9),
      iopsLimit: parameter(70_000),
      queueDepth: parameter(8),
      haltPollNs: parameter(90_000),
      idleWakeNs: parameter(60_000),
      cpuPerReadNs: parameter(15_000),
      cpuPerRead4kNs: parameter(250),
    },
  } satisfies HostProfile,
}

/** The same with some of its parts changed. */
function calibratedWith(change: (profile: Record<string, Record<string, unknown>>) => void): unknown {
  const file = structuredClone(calibrated.profile) as unknown as Record<string, Record<string, unknown>>
  change(file)
  return file
}

function unitOf(name: string): string {
  if (name.endsWith('Ns')) return 'ns'
  if (name.endsWith('PerMille')) return '‰'
  if (name === 'runQueues') return 'run queues'
  if (name === 'idleSearch') return '0 or 1'
  return name === 'cores' ? 'cores' : '4 KiB pages'
}

describe('a host profile', () => {
  test('written and read again is the same', () => {
    expect(parseHostProfile(JSON.parse(JSON.stringify(DEFAULT_HOST_PROFILE)), 'p.json')).toEqual(DEFAULT_HOST_PROFILE)
  })

  test('with spreads, facts and a device, printed and parsed and printed again, is the same text', () => {
    const { profile } = calibrated
    const text = JSON.stringify(profile, null, 2)
    const parsed = parseHostProfile(JSON.parse(text), 'p.json')
    expect(parsed).toEqual(profile)
    expect(JSON.stringify(parsed, null, 2)).toBe(text)
    expect(deviceOf(parsed)).toEqual(calibrated.device)
    expect(deviceOf(DEFAULT_HOST_PROFILE)).toBeNull()
  })

  test('is called as its file where it has no name', () => {
    const { parameters } = DEFAULT_HOST_PROFILE
    expect(parseHostProfile({ parameters }, 'p.json')).toMatchObject({ name: 'p.json', host: '' })
  })

  test('has bare values by the same names', () => {
    const costs = hostCosts(DEFAULT_HOST_PROFILE)
    expect(Object.keys(costs)).toEqual(Object.keys(DEFAULT_HOST_PROFILE.parameters))
    expect(costs.cores).toBe(DEFAULT_HOST_PROFILE.parameters.cores.value)
  })

  test('gives a unit and a source for every figure', () => {
    for (const [name, { value, unit, source }] of Object.entries(DEFAULT_HOST_PROFILE.parameters)) {
      expect(Number.isSafeInteger(value) && value >= 0, name).toBe(true)
      expect(unit, name).toBe(unitOf(name))
      expect(source.length, name).toBeGreaterThan(10)
    }
  })

  test.each<[string, unknown, string | RegExp]>([
    ['no object', 7, 'p.json: found no object with "parameters", expected a host profile'],
    ['an array', [], 'p.json: found no object with "parameters", expected a host profile'],
    ['no parameters', { name: 'x' }, 'p.json: found no object with "parameters", expected a host profile'],
    [
      'one parameter missing',
      fileWith(parameters => void delete parameters.read4kNs),
      'p.json: parameters.read4kNs: found nothing, expected {value, unit, source}',
    ],
    [
      'one too many',
      fileWith(parameters => void Object.assign(parameters, { turboNs: parameters.read4kNs })),
      /^p\.json: parameters\.turboNs: found an unknown parameter, expected one of cores, .*faultAroundPages$/,
    ],
    [
      'a negative cost',
      fileWith(parameters => void Object.assign(parameters, { read4kNs: { value: -1, unit: 'ns', source: 's' } })),
      'p.json: parameters.read4kNs.value: found -1, expected a whole number',
    ],
    [
      'a fraction',
      fileWith(parameters => void Object.assign(parameters, { read4kNs: { value: 0.5, unit: 'ns', source: 's' } })),
      'p.json: parameters.read4kNs.value: found 0.5, expected a whole number',
    ],
    [
      'no core',
      fileWith(parameters => void Object.assign(parameters, { cores: { value: 0, unit: 'cores', source: 's' } })),
      'p.json: parameters.cores.value: found 0, expected a whole number',
    ],
    [
      'a device that lacks a parameter',
      calibratedWith(({ device }) => void delete device.queueDepth),
      'p.json: device.queueDepth: found nothing, expected {value, unit, source}',
    ],
    [
      'a device of no requests at once',
      calibratedWith(({ device }) => void Object.assign(device, { queueDepth: parameter(0) })),
      'p.json: device.queueDepth.value: found 0, expected a whole number',
    ],
    [
      'a 99th percentile below the median',
      calibratedWith(({ device }) => void Object.assign(device, { latencyP99Ns: parameter(4000) })),
      'p.json: device.latencyP99Ns.value: found 4000, expected at least latencyNs, 5000',
    ],
    [
      'a spread that is none',
      calibratedWith(
        ({ parameters }) =>
          void Object.assign(parameters, { copyCallNs: { ...parameter(1), spread: { p10: 1, p90: 'x' } } }),
      ),
      'p.json: parameters.copyCallNs.spread.p90: found "x", expected a whole number',
    ],
    [
      'a fact that is none',
      calibratedWith(({ facts }) => void Object.assign(facts, { virtualised: 'maybe' })),
      'p.json: facts.virtualised: found "maybe", expected true, false or null',
    ],
    [
      'facts that are none',
      calibratedWith(profile => void Object.assign(profile, { facts: 7 })),
      'p.json: facts: found no object, expected one',
    ],
    [
      'no source',
      fileWith(parameters => void Object.assign(parameters, { cores: { value: 1, unit: 'cores' } })),
      'p.json: parameters.cores: found no unit or source, expected both as text',
    ],
  ])('with %s is refused', (_, json, message) => {
    expect(() => parseHostProfile(json, 'p.json')).toThrow(LazyRestoreError)
    expect(() => parseHostProfile(json, 'p.json')).toThrow(message)
  })
})
