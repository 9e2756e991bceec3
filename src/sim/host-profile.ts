/**
 * What operations cost on a host: every parameter of the simulator that is not the storage device's. A profile is a JSON
 * file in which each parameter carries its value, unit and source, so that no figure is without an origin; `calibrate` will
 * write one for the host it runs on. docs/model.md says where each parameter enters.
 */
import { LazyRestoreError } from '../core/error.ts'
import { DEFAULT_HOST_PROFILE } from './default-host-profile.ts'

export interface ProfileParameter {
  readonly value: number
  readonly unit: string
  readonly source: string
}

export interface HostProfile {
  readonly name: string
  /** Free text: the machine, kernel and date. */
  readonly host: string
  readonly parameters: { readonly [K in keyof HostCosts]: ProfileParameter }
}

/** The bare values, in the units that the names end in; counts where there is none. */
export interface HostCosts {
  /** Host cores that vCPUs, handlers and workers share. */
  readonly cores: number
  /** CPU on the faulting thread from the access to the message in the queue. */
  readonly faultTrapNs: number
  /** From the message in the queue to a sleeping handler running: on the same core; on another, idle one. */
  readonly handlerWakeLocalNs: number
  readonly handlerWakeRemoteNs: number
  /** CPU of poll and read for one message. */
  readonly messageReadNs: number
  /** CPU added to an install call for each waiter that it wakes. */
  readonly wakeCallLocalNs: number
  readonly wakeCallRemoteNs: number
  /** From the end of the install call to the vCPU running. */
  readonly vcpuWakeLocalNs: number
  readonly vcpuWakeRemoteNs: number
  /** UFFDIO_COPY: per call, and per 4 KiB or 2 MiB page, by memory kind. */
  readonly copyCallNs: number
  readonly copyAnon4kNs: number
  readonly copyShmem4kNs: number
  readonly copyHuge2mNs: number
  /** UFFDIO_ZEROPAGE: per call, and per 4 KiB page, by memory kind. */
  readonly zeroCallNs: number
  readonly zeroAnon4kNs: number
  readonly zeroShmem4kNs: number
  /** UFFDIO_REGISTER of one block. */
  readonly registerNs: number
  /** mmap of one region with MAP_FIXED. */
  readonly mapRegionNs: number
  /** read(2) from the page cache: per call and per 4 KiB. */
  readonly readCallNs: number
  readonly read4kNs: number
  /** memset of 4 KiB in a bounce buffer. */
  readonly fillZero4kNs: number
  /** Faults that the kernel resolves alone. */
  readonly anonWriteFaultNs: number
  readonly anonReadFaultNs: number
  readonly shmemFaultNs: number
  readonly hugeFault2mNs: number
  readonly fileMapFaultNs: number
  readonly cowFaultNs: number
  /** Largest readahead window, and pages mapped around a file fault, in 4 KiB pages. */
  readonly readaheadPages: number
  readonly faultAroundPages: number
}

export { DEFAULT_HOST_PROFILE }

/** The values alone. */
export function hostCosts(profile: HostProfile): HostCosts {
  return Object.fromEntries(
    Object.entries(profile.parameters).map(([key, { value }]) => [key, value]),
  ) as unknown as HostCosts
}

/**
 * Checks a parsed profile file. Parameters that it lacks are an error, as are unknown ones: a profile is a whole.
 * @param file its name, for messages
 */
export function parseHostProfile(json: unknown, file: string): HostProfile {
  const fail = (what: string): never => {
    throw new LazyRestoreError('format', `${file}: ${what}`)
  }
  if (!isRecord(json) || !isRecord(json.parameters))
    return fail('found no object with "parameters", expected a host profile')
  const known = Object.keys(DEFAULT_HOST_PROFILE.parameters)
  for (const key of Object.keys(json.parameters)) {
    if (!known.includes(key)) fail(`parameters.${key}: found an unknown parameter, expected one of ${known.join(', ')}`)
  }
  const parameters: Record<string, ProfileParameter> = {}
  for (const key of known) {
    const parameter = json.parameters[key]
    if (!isRecord(parameter)) return fail(`parameters.${key}: found nothing, expected {value, unit, source}`)
    const { value, unit, source } = parameter
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < (key === 'cores' ? 1 : 0)) {
      return fail(`parameters.${key}.value: found ${JSON.stringify(value)}, expected a whole number`)
    }
    if (typeof unit !== 'string' || typeof source !== 'string') {
      return fail(`parameters.${key}: found no unit or source, expected both as text`)
    }
    parameters[key] = { value, unit, source }
  }
  return {
    name: typeof json.name === 'string' ? json.name : file,
    host: typeof json.host === 'string' ? json.host : '',
    parameters: parameters as HostProfile['parameters'],
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
