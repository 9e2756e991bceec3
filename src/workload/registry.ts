/** The workloads by name, and how a spec string becomes one. */
import { LazyRestoreError } from '../core/error.ts'
import { parseSpec, resolveOptions } from '../core/spec-string.ts'
import { bootThenIdle } from './boot-then-idle.ts'
import { chromium } from './chromium.ts'
import type { WorkloadDefinition } from './definition.ts'
import type { WorkloadMemory } from './memory.ts'
import { phases } from './phases.ts'
import { reapFunctions } from './reap.ts'
import { sequential } from './sequential.ts'
import { uniform } from './uniform.ts'
import { workingSet } from './working-set.ts'
import type { Workload } from './workload.ts'
import { zipf } from './zipf.ts'

// biome-ignore lint/suspicious/noExplicitAny: each definition is checked against its own option rules by defineWorkload
export const WORKLOADS: readonly WorkloadDefinition<any>[] = [
  workingSet,
  bootThenIdle,
  phases,
  reapFunctions,
  chromium,
  sequential,
  uniform,
  zipf,
]

export const DEFAULT_WORKLOAD = workingSet.name

/**
 * Makes the workload that `text` names, for a memory and a seed: the same three give the same accesses.
 *
 * ```ts
 * createWorkload('working-set:share=10%,vcpus=4', memoryOfSnapshot(snapshot), 1)
 * ```
 * @throws LazyRestoreError `usage` for an unknown name or option, `limit` for more than the columns hold
 */
export function createWorkload(text: string, memory: WorkloadMemory, seed: number): Workload {
  const spec = parseSpec(text)
  const definition = WORKLOADS.find(({ name }) => name === spec.name)
  if (definition === undefined) {
    const known = WORKLOADS.map(({ name }) => name).join(', ')
    throw new LazyRestoreError('usage', `workload: found "${spec.name}", expected one of ${known}`)
  }
  if (spec.positional !== null) {
    throw new LazyRestoreError('usage', `${spec.name}: found "${spec.positional}", expected key=value`)
  }
  const name = text.trim()
  try {
    return definition.create(resolveOptions(spec, definition.options), memory, seed, name)
  } catch (cause) {
    // Working arrays beside the columns: typed arrays of more than the machine has.
    if (!(cause instanceof RangeError)) throw cause
    throw new LazyRestoreError('limit', `${name}: found no memory for a workload of this size`, { cause })
  }
}
