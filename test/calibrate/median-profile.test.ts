import { expect, it } from 'vitest'
import { medianProfile } from '../../src/calibrate/median-profile.ts'
import { DEFAULT_HOST_PROFILE, type HostProfile, hostCosts } from '../../src/sim/host-profile.ts'

function profileWith(copyCallNs: number): HostProfile {
  const { parameters } = DEFAULT_HOST_PROFILE
  return {
    ...DEFAULT_HOST_PROFILE,
    parameters: { ...parameters, copyCallNs: { ...parameters.copyCallNs, value: copyCallNs } },
  }
}

it('has the median of each parameter, and how far the profiles were apart', () => {
  const profile = medianProfile([profileWith(1000), profileWith(5000), profileWith(1200)])
  expect(hostCosts(profile)).toEqual({ ...hostCosts(DEFAULT_HOST_PROFILE), copyCallNs: 1200 })
  expect(profile.parameters.copyCallNs).toMatchObject({ unit: 'ns', spread: { p10: 1040, p90: 4240 } })
  expect(profile.name).toBe('default, median of 3')
})

it('of none is an error', () => {
  expect(() => medianProfile([])).toThrow('expected at least one')
})
