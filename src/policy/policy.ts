/**
 * A policy decides what to install beside the page that was faulted on, in which order and with what machinery. It knows no
 * engine, no file and no clock but what it is given: the same object is driven by the simulator, by userfaultfd and by a migration stream.
 *
 * The pages of a policy are host pages of the destination, by their dense index.
 */
import type { OptionRules, ResolvedOptions } from '../core/spec-string.ts'
import type { Layout } from '../destination/layout.ts'
import type { Plan } from './plan.ts'
import type { PolicyHost } from './policy-host.ts'

/** How pages get into the guest's memory. */
export type InstallMethod =
  /** Everything is registered with userfaultfd; COPY and ZEROPAGE install. */
  | 'uffd'
  /** read(2) straight into ordinary memory before the VM runs; zero pages are left to the kernel's zero-fill. */
  | 'load'
  /**
   * MAP_PRIVATE of the file over data, anonymous memory over zeros; the kernel resolves all faults. Workers install nothing:
   * what they read is in the page cache then.
   */
  | 'map'

/** The machinery that a policy needs, beside its decisions. */
export interface Mechanism {
  readonly install: InstallMethod
  /** Threads that answer faults. */
  readonly handlers: number
  /** Threads that carry out `begin` before the VM runs and `next` after. */
  readonly workers: number
  /** Reads of the snapshot go past the page cache (O_DIRECT). */
  readonly direct: boolean
  /** Reads of the working-set file do. */
  readonly workingSetDirect: boolean
  /** Largest single read of the snapshot, in bytes. */
  readonly readBytes: number
  /** Largest single read of the working-set file, in bytes. */
  readonly workingSetReadBytes: number
  /** Most runs of one plan, and so of one read of the working-set file. */
  readonly planRuns: number
  /** Most bytes of zero pages in one install call. */
  readonly zeroBytes: number
  /** Workers start nothing new while a fault waits. */
  readonly yieldToFaults: boolean
  /** Bytes per second that each worker installs at most, after the VM runs; null: unlimited. */
  readonly rateBytesPerS: number | null
}

/** What a policy may look at when it is made. */
export interface PolicyContext {
  readonly layout: Layout
  /**
   * Host pages in the order of first use in an earlier run; null when nothing was recorded.
   */
  readonly workingSet: Uint32Array | null
}

export interface Policy {
  /** Name and every option that is not at its default, as it would be written. */
  readonly name: string
  readonly mechanism: Mechanism
  /** Called once, before everything else, by engines that run the restore. */
  start?(host: PolicyHost): void
  /** What must be resident before vCPUs run. Called again until it adds nothing. */
  begin?(plan: Plan): void
  /** What to install for a fault on `page`; must include `page`. Called when nobody has claimed the page. */
  onFault(page: number, plan: Plan): void
  /** Host pages `[first, first + count)` were installed. */
  onInstalled?(first: number, count: number): void
  /** A worker is idle: what to do next. Adding nothing ends the worker. */
  next?(plan: Plan): void
}

/** A policy as registered: its options, and how to make one for a restore. Made anew for every restore. */
export interface PolicyDefinition<R extends OptionRules = OptionRules> {
  readonly name: string
  /** One line for `--help`. */
  readonly summary: string
  /** Where it comes from: the system, paper or file that does it so. */
  readonly source: string
  readonly options: R
  /** It wants a recorded working set. */
  readonly usesWorkingSet?: true
  create(options: ResolvedOptions<R>, context: PolicyContext, name: string): Policy
}

/** Ties the options' types of a definition together; returns it as it is. */
export function definePolicy<R extends OptionRules>(definition: PolicyDefinition<R>): PolicyDefinition<R> {
  return definition
}
