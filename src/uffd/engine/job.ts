/** What a thread is told to do in one restore: plain data that can be posted. Layouts are posted without their snapshot's source. */
import type { Spec } from '../../core/spec-string.ts'
import type { Layout } from '../../destination/layout.ts'
import type { InstallMethod } from '../../policy/policy.ts'
import type { WorkingSetContents } from '../../working-set/working-set.ts'
import type { GuestVcpuJob } from '../kvm/run-vcpu.ts'
import type { SharedRestore } from './restore-state.ts'
import type { SnapshotFiles } from './snapshot-files.ts'

/** Whose memory is restored, where it is another process's: a VMM that has handed its userfaultfd over. */
export interface MemoryOwner {
  /** 0: not known. */
  readonly pid: number
  /** It has asked for REMOVE events. */
  readonly events: boolean
}

export interface CarrierJob {
  readonly role: 'handler' | 'worker'
  readonly shared: SharedRestore
  readonly layout: Layout
  readonly blockAddress: readonly number[]
  readonly policy: Spec
  readonly workingSet: Uint32Array | null
  /** The userfaultfd; -1: the memory is not registered. */
  readonly descriptor: number
  readonly snapshotFiles: SnapshotFiles
  readonly workingSetContents: WorkingSetContents | null
  readonly broken: 'poison' | 'zero'
  readonly limitMs: number
  /** The CPU that it is bound to, counted around, that of a vCPU: while one waits, the other works. Not given: none. */
  readonly cpu?: number
  /** Most faults that a handler records; none when 0 or not given. */
  readonly recordFaults?: number
  /** Null or not given: the memory is this process's own. */
  readonly owner?: MemoryOwner | null
}

export interface VcpuJob {
  readonly role: 'vcpu'
  readonly vcpu: number
  readonly shared: SharedRestore
  readonly install: InstallMethod
  /** Address and length of each block's memory. */
  readonly blocks: readonly { readonly address: number; readonly byteLength: number }[]
  /** This vCPU's accesses: block, offset in it, host page, and the columns of the workload. */
  readonly block: Uint16Array
  readonly offset: Float64Array
  readonly hostPage: Uint32Array
  readonly thinkNs: Uint32Array
  readonly flags: Uint8Array
  readonly limitMs: number
}

/** A vCPU of a KVM guest. A role of its own, because its thread keeps signals blocked. */
export interface GuestVcpuThreadJob extends GuestVcpuJob {
  readonly role: 'guest'
}

export type Job = CarrierJob | VcpuJob | GuestVcpuThreadJob

/** A layout that can be posted: a thread reads the file itself. */
export function detached(layout: Layout): Layout {
  const { source: _source, close: _close, ...snapshot } = layout.snapshot
  return { ...layout, snapshot: snapshot as Layout['snapshot'] }
}
