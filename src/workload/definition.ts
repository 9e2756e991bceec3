/** What a generator is: a name, options with their defaults, and a function from a memory and a seed to accesses. */
import { LazyRestoreError } from '../core/error.ts'
import type { OptionRules, ResolvedOptions } from '../core/spec-string.ts'
import type { WorkloadMemory } from './memory.ts'
import type { Workload } from './workload.ts'

export interface WorkloadDefinition<R extends OptionRules = OptionRules> {
  readonly name: string
  /** One line for `--help`. */
  readonly summary: string
  /** What the shape and the defaults stand on. */
  readonly source: string
  readonly options: R
  /** The same options, memory and seed give the same columns. `name` is what reports show. */
  create(options: ResolvedOptions<R>, memory: WorkloadMemory, seed: number, name: string): Workload
}

/** Ties the options' types of a definition together; returns it as it is. */
export function defineWorkload<R extends OptionRules>(definition: WorkloadDefinition<R>): WorkloadDefinition<R> {
  return definition
}

/** A decimal number in a text option: `0.99`, `2.4`. `what` names the option in the error. */
export function parseDecimal(text: string, what: string, min: number, max: number): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) {
    throw new LazyRestoreError('usage', `${what}: found "${text}", expected a number from ${min} to ${max}`)
  }
  return value
}

/** `share` of the pages, at least one unless the share is 0. */
export function pagesOfShare(share: number, pageCount: number): number {
  return share === 0 ? 0 : Math.max(1, Math.round(share * pageCount))
}
