/**
 * What operations cost on a host, and what its storage device does: the simulator's parameters. A profile is a JSON file in
 * which each parameter carries its value, unit and source, so that no figure is without an origin; `calibrate` writes one for
 * the host it runs on. docs/model.md says where each parameter enters, host-profile-file.ts checks a file.
 */
import { LazyRestoreError } from '../core/error.ts'
import { parseCount } from '../core/units.ts'
import type { DeviceParameters } from '../storage/device.ts'
import { DEFAULT_HOST_PROFILE } from './default-host-profile.ts'

export interface ProfileParameter {
  readonly value: number
  readonly unit: string
  readonly source: string
  /** The same figure out of parts of the measurement: how well it is known. */
  readonly spread?: ParameterSpread
}

export interface ParameterSpread {
  readonly p10: number
  readonly p90: number
}

export interface HostProfile {
  readonly name: string
  /** Free text: the machine, kernel and date. */
  readonly host: string
  /** What `calibrate` knows of the host that it measured. */
  readonly facts?: HostFacts
  readonly parameters: { readonly [K in keyof HostCosts]: ProfileParameter }
  /** The storage device that `--storage host` stands for. */
  readonly device?: ProfileDevice
}

export type ProfileDevice = { readonly [K in keyof DeviceParameters]: ProfileParameter }

export interface HostFacts {
  readonly cpu: string
  readonly cores: number
  readonly kernel: string
  readonly node: string
  /** Runs on a hypervisor; null: not known. */
  readonly virtualised: boolean | null
  /** ISO 8601, when the measurement ended. */
  readonly date: string
  /** Of the folder whose device was measured. */
  readonly fileSystem: string
  readonly blockDevice: string | null
  /** Load average over a minute, before the measurement and after it. */
  readonly loadBefore: number
  readonly loadAfter: number
}

/** The bare values, in the units that the names end in; counts where there is none. */
export interface HostCosts {
  /** Host cores that vCPUs, handlers and workers share. */
  readonly cores: number
  /** 1: one for all cores, the fluid limit. Else as many as cores: each has its own, and threads wait for those on theirs. */
  readonly runQueues: number
  /** 1: a worker that has slept finds a core that is idle, if its own is not. 0: it stays on its own. With run queues by core. */
  readonly idleSearch: number
  /** A thread that has waited on a busy core for so long may move to an idle one. */
  readonly migrationCostNs: number
  /**
   * CPU time that a thread gets which could run all the time, per mille: alone on the host; while all cores are busy. The rest
   * is the hypervisor's, other guests' and the kernel's own.
   */
  readonly threadAlonePerMille: number
  readonly threadAllPerMille: number
  /** How fast work in the kernel, on memory, is beside such work on another core, per mille of what it is alone. */
  readonly kernelBesidePerMille: number
  /** CPU on the faulting thread from the access to the message in the queue. */
  readonly faultTrapNs: number
  /** CPU that a fault takes more when caches have cooled, and after how long since the thread's last fault it is half of that. */
  readonly coldFaultNs: number
  readonly coolingNs: number
  /** From the message in the queue to a sleeping handler running: on the same core; on another, idle one. */
  readonly handlerWakeLocalNs: number
  readonly handlerWakeRemoteNs: number
  /** What a wake-up takes more than on the waker's own core, if another core has to be interrupted that is busy. */
  readonly busyWakeNs: number
  /** How long a worker that stands back for a fault sleeps before it looks again; each look is an event. At least 1000. */
  readonly standBackNs: number
  /** CPU of a handler for one message beside the read of the page's bytes and the install: poll, read, claim, plan, account. */
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
  /** CPU of bringing 4 KiB from the device into the page cache, beyond the request: page by page; in a readahead window. */
  readonly cacheFill4kNs: number
  readonly readaheadFill4kNs: number
  /** memset of 4 KiB in a bounce buffer. */
  readonly fillZero4kNs: number
  /** Faults that the kernel resolves alone. */
  readonly anonWriteFaultNs: number
  readonly anonReadFaultNs: number
  /** CPU of the engine on a run of pages beyond its read and its install call; that on a message's first run is in `messageReadNs`. */
  readonly runNs: number
  /** CPU per 4 KiB page of anonymous memory that a direct read has to get before it can read into it. */
  readonly anonPinFaultNs: number
  readonly shmemFaultNs: number
  readonly hugeFault2mNs: number
  readonly fileMapFaultNs: number
  readonly cowFaultNs: number
  /**
   * A TLB shootdown: CPU of the thread that takes back a mapping, as copy on write does, while other cores run threads of the
   * same process; and of each core that it interrupts.
   */
  readonly tlbShootdownNs: number
  readonly tlbInterruptNs: number
  /**
   * CPU of a thread's first access to a page that another thread installed, where the host is itself a virtual machine whose
   * hypervisor shadows its page tables: an exit, and an entry in the shadow. 0: the hardware walks them.
   */
  readonly shadowFaultNs: number
  /** CPU of a KVM guest's first access to memory that is resident on the host: exit, and mapping it for the guest. */
  readonly guestFaultNs: number
  /** 4 KiB pages that one such fault maps: the writable ones of the aligned window around it. */
  readonly guestFaultPages: number
  /** CPU on a KVM vCPU's thread after its message is in the queue, until it sleeps: the vCPU is taken off its CPU. */
  readonly guestSleepNs: number
  /** CPU on it after it was woken, before the access goes on: the vCPU is put back. */
  readonly guestWakeNs: number
  /** Largest readahead window, and pages mapped around a file fault, in 4 KiB pages. */
  readonly readaheadPages: number
  readonly faultAroundPages: number
}

export { DEFAULT_HOST_PROFILE }

/** The values alone. */
export function hostCosts(profile: HostProfile): HostCosts {
  return valuesOf(profile.parameters)
}

/** The values of the profile's device alone; null when it has none. */
export function deviceOf({ device }: HostProfile): DeviceParameters | null {
  return device === undefined ? null : valuesOf(device)
}

function valuesOf<K extends string>(parameters: { readonly [P in K]: ProfileParameter }): { [P in K]: number } {
  const entries = Object.entries<ProfileParameter>(parameters).map(([key, { value }]) => [key, value])
  return Object.fromEntries(entries)
}

/** The profile with another number of cores. @param source who says so, for messages and reports @throws LazyRestoreError `usage` */
export function withCores(profile: HostProfile, text: string, source: string): HostProfile {
  const value = parseCount(text, source)
  if (value < 1) throw new LazyRestoreError('usage', `${source}: found ${value}, expected at least 1`)
  const { runQueues } = profile.parameters
  const parameters = {
    ...profile.parameters,
    cores: { value, unit: 'cores', source },
    runQueues: runQueues.value === 1 ? runQueues : { value, unit: runQueues.unit, source },
  }
  return { ...profile, parameters }
}
