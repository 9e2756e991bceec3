/** A host profile as a table for a terminal: each parameter with its spread, beside what the default profile has. */
import { formatBytes, formatCount, formatDurationNs } from '../core/units.ts'
import { DEFAULT_HOST_PROFILE, type HostProfile, type ProfileParameter } from '../sim/host-profile.ts'
import { align } from './align.ts'

const HEADER = ['parameter', 'value', 'p10', 'p90', 'default', 'ratio']
const NONE = '-'

export function renderProfileTable(profile: HostProfile): string {
  const defaults: Readonly<Record<string, ProfileParameter>> = DEFAULT_HOST_PROFILE.parameters
  const rows = Object.entries(profile.parameters).map(([name, parameter]) => row(name, parameter, defaults[name]))
  const device = Object.entries(profile.device ?? {}).map(([name, parameter]) => row(name, parameter, null))
  const lines = [profile.host, ...facts(profile), '', ...align([HEADER, ...rows])]
  if (device.length > 0)
    lines.push('', ...align([['storage device', ...HEADER.slice(1, 4)], ...device.map(cells => cells.slice(0, 4))]))
  return `${lines.join('\n')}\n`
}

function facts({ facts }: HostProfile): string[] {
  if (facts === undefined) return []
  const { node, fileSystem, blockDevice, loadBefore, loadAfter } = facts
  const device = blockDevice === null ? fileSystem : `${fileSystem} on ${blockDevice}`
  return [`node ${node}, ${device}, load ${loadBefore.toFixed(2)} before and ${loadAfter.toFixed(2)} after`]
}

function row(name: string, { value, unit, spread }: ProfileParameter, known: ProfileParameter | null): string[] {
  return [
    name,
    show(value, unit),
    spread === undefined ? NONE : show(spread.p10, unit),
    spread === undefined ? NONE : show(spread.p90, unit),
    known === null ? NONE : show(known.value, unit),
    known === null || known.value === 0 ? NONE : `${(value / known.value).toFixed(2)} x`,
  ]
}

function show(value: number, unit: string): string {
  switch (unit) {
    case 'ns':
      return formatDurationNs(value)
    case 'bytes/s':
      return `${formatBytes(value)}/s`
    default:
      return formatCount(value)
  }
}
