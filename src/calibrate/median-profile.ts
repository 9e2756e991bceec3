/**
 * One profile out of several that were measured in turns with something else, each parameter the median of theirs: of a host
 * whose speed changes from minute to minute it says what held over all that time.
 */
import { median } from 'simple-statistics'
import { LazyRestoreError } from '../core/error.ts'
import type { HostProfile, ProfileParameter } from '../sim/host-profile.ts'
import { spreadOf } from './estimate.ts'

/** @param profiles at least one; the parameters' sources and the facts are those of the last */
export function medianProfile(profiles: readonly HostProfile[]): HostProfile {
  const last = profiles.at(-1)
  if (last === undefined) throw new LazyRestoreError('usage', 'median of profiles: found none, expected at least one')
  const devices = profiles.map(({ device }) => device).filter(device => device !== undefined)
  return {
    ...last,
    name: `${last.name}, median of ${profiles.length}`,
    parameters: mediansOf(profiles.map(({ parameters }) => parameters)),
    ...(devices.length === 0 ? {} : { device: mediansOf(devices) }),
  }
}

function mediansOf<T extends { readonly [K in keyof T]: ProfileParameter }>(all: readonly T[]): T {
  const last = all[all.length - 1]
  const entries = (Object.keys(last) as (keyof T)[]).map(key => {
    const values = all.map(parameters => parameters[key].value)
    const { p10, p90 } = spreadOf(values)
    const spread = { p10: Math.round(p10), p90: Math.round(p90) }
    const { unit, source } = last[key]
    return [key, { value: Math.round(median(values)), unit, source, spread } satisfies ProfileParameter]
  })
  return Object.fromEntries(entries) as T
}
