/** Host profiles: every parameter with value, unit and source, or none at all. */
import { describe, expect, test } from 'vitest'
import { LazyRestoreError } from '../../src/core/error.ts'
import { DEFAULT_HOST_PROFILE, hostCosts, parseHostProfile } from '../../src/sim/host-profile.ts'

type Parameters = Record<string, unknown>

/** The default profile as a file has it, with some of its parameters changed. */
function fileWith(change: (parameters: Parameters) => void): unknown {
  const file = structuredClone(DEFAULT_HOST_PROFILE) as unknown as { parameters: Parameters }
  change(file.parameters)
  return file
}

describe('a host profile', () => {
  test('written and read again is the same', () => {
    expect(parseHostProfile(JSON.parse(JSON.stringify(DEFAULT_HOST_PROFILE)), 'p.json')).toEqual(DEFAULT_HOST_PROFILE)
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
      expect(unit, name).toBe(name.endsWith('Ns') ? 'ns' : name === 'cores' ? 'cores' : '4 KiB pages')
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
      'no source',
      fileWith(parameters => void Object.assign(parameters, { cores: { value: 1, unit: 'cores' } })),
      'p.json: parameters.cores: found no unit or source, expected both as text',
    ],
  ])('with %s is refused', (_, json, message) => {
    expect(() => parseHostProfile(json, 'p.json')).toThrow(LazyRestoreError)
    expect(() => parseHostProfile(json, 'p.json')).toThrow(message)
  })
})
