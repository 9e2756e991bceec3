/**
 * QEMU's own load of a snapshot file, which is what a lazy restore is held against: `migrate-incoming file:` with mapped-ram
 * (QEMU >= 9.0), by one thread or with multifd channels. Specified in QEMU docs/devel/migration/mapped-ram.rst.
 */
import type { Spec } from '../../core/spec-string.ts'
import { resolveOptions } from '../../core/spec-string.ts'
import { eager } from '../../policy/eager.ts'
import { eagerMulti } from '../../policy/eager-multi.ts'
import type { Vm } from '../vm.ts'

const CAPABILITY = 'mapped-ram'

/** How QEMU loads; `channels` 0: one thread without multifd. */
export interface OwnLoad {
  readonly channels: number
  /** Past the page cache. */
  readonly direct: boolean
}

/** What a policy is when QEMU itself does it; null for one that it does not. @throws LazyRestoreError `usage` */
export function ownLoadOf(policy: Spec): OwnLoad | null {
  if (policy.name === eager.name) {
    resolveOptions(policy, eager.options)
    return { channels: 0, direct: false }
  }
  if (policy.name !== eagerMulti.name) return null
  const { channels, direct } = resolveOptions(policy, eagerMulti.options)
  return { channels, direct }
}

/** Whether this QEMU can. */
export async function hasOwnLoad(vm: Vm): Promise<boolean> {
  const known = await vm.qmp.execute<{ capability: string }[]>('query-migrate-capabilities')
  return known.some(({ capability }) => capability === CAPABILITY)
}

/** Sets up all but the load itself. @throws LazyRestoreError `io` with QEMU's words when it refuses */
export async function prepareOwnLoad(vm: Vm, { channels, direct }: OwnLoad): Promise<void> {
  await vm.setCapabilities(CAPABILITY, 'events', ...(channels > 0 ? ['multifd'] : []))
  const parameters = { ...(channels > 0 && { 'multifd-channels': channels }), ...(direct && { 'direct-io': true }) }
  if (Object.keys(parameters).length > 0) await vm.qmp.execute('migrate-set-parameters', parameters)
}
