/** What a carrier of the engine works with in a calibration: a restore of one block of memory, all of it data that is in a cached file. */
import { LazyRestoreError } from '../core/error.ts'
import { parseSpec } from '../core/spec-string.ts'
import { MIB } from '../core/units.ts'
import { parseHostPages } from '../destination/host-pages.ts'
import { createLayout } from '../destination/layout.ts'
import { createPolicy } from '../policy/registry.ts'
import { openSynthetic } from '../snapshot/synthetic.ts'
import { AddressMap } from '../uffd/engine/address-map.ts'
import type { CarrierSetup } from '../uffd/engine/carrier.ts'
import type { ThreadScratch } from '../uffd/engine/carrier-thread.ts'
import type { FileReader } from '../uffd/engine/page-reader.ts'
import { isAlone, RestoreState, type SharedRestore, sleepNs } from '../uffd/engine/restore-state.ts'
import { claimsFor } from '../uffd/engine/shared-claims.ts'
import type { FaultChannel } from '../uffd/kernel.ts'

const PAGE = 4096

export interface MeasuredBlock {
  readonly address: number
  readonly pageCount: number
  readonly shared: SharedRestore
  readonly channel: FaultChannel
  readonly scratch: ThreadScratch
  readonly snapshot: FileReader
}

export function carrierSetup(policyName: string, block: MeasuredBlock): CarrierSetup {
  const { address, pageCount, shared, channel, scratch, snapshot } = block
  const layout = createLayout(openSynthetic(`synthetic:${pageCount * PAGE},zero=0`), parseHostPages('4K'))
  const policy = createPolicy(parseSpec(policyName), { layout, workingSet: null })
  return {
    policy,
    map: new AddressMap(layout, [address]),
    state: new RestoreState(shared, isAlone(policy.mechanism)),
    claims: claimsFor(policy.mechanism, layout.hostPageCount, shared.claimed),
    channel,
    // Nobody else installs: what is said to be there is.
    host: { isPresent: () => true, sleepMs: ms => sleepNs(ms * 1e6) },
    snapshot,
    workingSet: null,
    scratch: scratch.atLeast(MIB, PAGE),
    broken: 'zero',
    events: false,
    onFailure: reason => {
      throw new LazyRestoreError('io', `calibrate: ${reason}`)
    },
  }
}
