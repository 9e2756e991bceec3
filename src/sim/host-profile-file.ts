/**
 * Checks a host profile that came out of a file. Parameters that it lacks are an error, as are unknown ones: a profile is a
 * whole. Host facts and the device may be absent; what is there must be right.
 */
import { LazyRestoreError } from '../core/error.ts'
import type { DeviceParameters } from '../storage/device.ts'
import { DEFAULT_HOST_PROFILE } from './default-host-profile.ts'
import type { HostFacts, HostProfile, ParameterSpread, ProfileDevice, ProfileParameter } from './host-profile.ts'

/** Each look of a worker that stands back is an event of the simulation. */
const LEAST_STAND_BACK_NS = 1000

type JsonObject = Readonly<Record<string, unknown>>
type Kind = 'text' | 'number' | 'text or null' | 'true, false or null'

const DEVICE_PARAMETERS: { readonly [K in keyof DeviceParameters]: true } = {
  latencyNs: true,
  latencyP99Ns: true,
  bandwidthBytesPerS: true,
  iopsLimit: true,
  queueDepth: true,
  haltPollNs: true,
  idleWakeNs: true,
  cpuPerReadNs: true,
  cpuPerRead4kNs: true,
}

/** Of the device's parameters. */
const MAY_BE_0: ReadonlySet<string> = new Set(['cpuPerRead4kNs', 'haltPollNs', 'idleWakeNs'])

const FACTS: { readonly [K in keyof HostFacts]: Kind } = {
  cpu: 'text',
  cores: 'number',
  kernel: 'text',
  node: 'text',
  virtualised: 'true, false or null',
  date: 'text',
  fileSystem: 'text',
  blockDevice: 'text or null',
  loadBefore: 'number',
  loadAfter: 'number',
}

/** @param file its name, for messages. @throws LazyRestoreError `format`: which field, what was found, what was expected */
export function parseHostProfile(json: unknown, file: string): HostProfile {
  if (!isObject(json) || !isObject(json.parameters)) {
    return fail(file, 'found no object with "parameters", expected a host profile')
  }
  const known = Object.keys(DEFAULT_HOST_PROFILE.parameters)
  const least = (key: string) => {
    if (key === 'standBackNs') return LEAST_STAND_BACK_NS
    return key === 'cores' || key === 'runQueues' || key.endsWith('PerMille') ? 1 : 0
  }
  const { name, host, facts, parameters, device } = json
  return {
    name: typeof name === 'string' ? name : file,
    host: typeof host === 'string' ? host : '',
    ...(facts === undefined ? {} : { facts: parseFacts(facts, file) }),
    parameters: parseParameters(parameters, 'parameters', known, least, file) as HostProfile['parameters'],
    ...(device === undefined ? {} : { device: parseDevice(device, file) }),
  }
}

function parseDevice(json: unknown, file: string): ProfileDevice {
  const known = Object.keys(DEVICE_PARAMETERS)
  const device = parseParameters(json, 'device', known, key => (MAY_BE_0.has(key) ? 0 : 1), file) as ProfileDevice
  const { latencyNs, latencyP99Ns } = device
  if (latencyP99Ns.value < latencyNs.value) {
    fail(
      file,
      `device.latencyP99Ns.value: found ${latencyP99Ns.value}, expected at least latencyNs, ${latencyNs.value}`,
    )
  }
  return device
}

function parseParameters(
  json: unknown,
  where: string,
  known: readonly string[],
  least: (key: string) => number,
  file: string,
): Readonly<Record<string, ProfileParameter>> {
  if (!isObject(json)) return fail(file, `${where}: found no object, expected one`)
  for (const key of Object.keys(json)) {
    if (!known.includes(key)) {
      fail(file, `${where}.${key}: found an unknown parameter, expected one of ${known.join(', ')}`)
    }
  }
  return Object.fromEntries(known.map(key => [key, parseParameter(json[key], `${where}.${key}`, least(key), file)]))
}

function parseParameter(json: unknown, where: string, least: number, file: string): ProfileParameter {
  if (!isObject(json)) return fail(file, `${where}: found nothing, expected {value, unit, source}`)
  const { value, unit, source, spread } = json
  const checked = parseWhole(value, `${where}.value`, least, file)
  if (typeof unit !== 'string' || typeof source !== 'string') {
    return fail(file, `${where}: found no unit or source, expected both as text`)
  }
  if (spread === undefined) return { value: checked, unit, source }
  return { value: checked, unit, source, spread: parseSpread(spread, `${where}.spread`, file) }
}

function parseSpread(json: unknown, where: string, file: string): ParameterSpread {
  if (!isObject(json)) return fail(file, `${where}: found no object, expected {p10, p90}`)
  return { p10: parseWhole(json.p10, `${where}.p10`, 0, file), p90: parseWhole(json.p90, `${where}.p90`, 0, file) }
}

function parseWhole(value: unknown, where: string, least: number, file: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value
  return fail(file, `${where}: found ${JSON.stringify(value)}, expected a whole number`)
}

function parseFacts(json: unknown, file: string): HostFacts {
  if (!isObject(json)) return fail(file, 'facts: found no object, expected one')
  const facts = Object.entries(FACTS).map(([key, kind]) => {
    const value = json[key]
    if (!isOfKind(value, kind)) fail(file, `facts.${key}: found ${JSON.stringify(value)}, expected ${kind}`)
    return [key, value]
  })
  return Object.fromEntries(facts)
}

function isOfKind(value: unknown, kind: Kind): boolean {
  switch (kind) {
    case 'text':
      return typeof value === 'string'
    case 'number':
      return typeof value === 'number'
    case 'text or null':
      return typeof value === 'string' || value === null
    case 'true, false or null':
      return typeof value === 'boolean' || value === null
  }
}

function fail(file: string, what: string): never {
  throw new LazyRestoreError('format', `${file}: ${what}`)
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
