/** The policies by name, and how a spec string becomes one. */
import { LazyRestoreError } from '../core/error.ts'
import { resolveOptions, type Spec } from '../core/spec-string.ts'
import { adaptive } from './adaptive.ts'
import { cloudHypervisor } from './cloud-hypervisor.ts'
import { criu } from './criu.ts'
import { e2b } from './e2b.ts'
import { eager } from './eager.ts'
import { eagerMulti } from './eager-multi.ts'
import { faasnap } from './faasnap.ts'
import { faultAround } from './fault-around.ts'
import { firecrackerFile } from './firecracker-file.ts'
import { followSweep } from './follow-sweep.ts'
import { lazy } from './lazy.ts'
import { lazySweep } from './lazy-sweep.ts'
import { mmap } from './mmap.ts'
import type { Policy, PolicyContext, PolicyDefinition } from './policy.ts'
import { precopyX } from './precopy-x.ts'
import { qemu112 } from './qemu-11-2.ts'
import { readAround } from './read-around.ts'
import { reap } from './reap.ts'
import { stride } from './stride.ts'
import { workingSet } from './working-set.ts'

// biome-ignore lint/suspicious/noExplicitAny: each definition is checked against its own option rules by definePolicy
export const POLICIES: readonly PolicyDefinition<any>[] = [
  eager,
  eagerMulti,
  lazy,
  lazySweep,
  followSweep,
  readAround,
  faultAround,
  stride,
  adaptive,
  precopyX,
  workingSet,
  mmap,
  qemu112,
  criu,
  cloudHypervisor,
  firecrackerFile,
  reap,
  faasnap,
  e2b,
]

/** Whether the policy that `spec` names wants a recorded working set. */
export function usesWorkingSet({ name }: Spec): boolean {
  return POLICIES.some(policy => policy.name === name && policy.usesWorkingSet)
}

/** Makes the policy that `spec` names. @throws LazyRestoreError `usage` for an unknown name or option */
export function createPolicy(spec: Spec, context: PolicyContext): Policy {
  const definition = definitionOf(spec)
  return definition.create(resolveOptions(spec, definition.options), context, policyLabel(spec))
}

/** Reads the spec without making anything of it. @throws LazyRestoreError `usage` for an unknown name or option */
export function checkPolicySpec(spec: Spec): void {
  resolveOptions(spec, definitionOf(spec).options)
}

// biome-ignore lint/suspicious/noExplicitAny: as above
function definitionOf(spec: Spec): PolicyDefinition<any> {
  const definition = POLICIES.find(({ name }) => name === spec.name)
  if (definition === undefined || spec.positional !== null) {
    const known = POLICIES.map(({ name }) => name).join(', ')
    throw new LazyRestoreError(
      'usage',
      `policy: found "${spec.name}${spec.positional === null ? '' : `:${spec.positional}`}", expected one of ${known}`,
    )
  }
  return definition
}

/** The spec as it would be written. */
export function policyLabel({ name, options }: Spec): string {
  const written = Object.entries(options).map(([key, value]) => `${key}=${value}`)
  return written.length === 0 ? name : `${name}:${written.join(',')}`
}
