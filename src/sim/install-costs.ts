/** What installing and faulting costs on each block, worked out once from the host's costs and the block's memory. */
import { countBits } from '../core/bitmap.ts'
import { MIB } from '../core/units.ts'
import { type Layout, type LayoutBlock, runBytes } from '../destination/layout.ts'
import type { Policy } from '../policy/policy.ts'
import type { InstallRun } from '../resolver/install-run.ts'
import { OP_COPY, OP_ZEROPAGE } from '../resolver/resolver.ts'
import type { ActorClock } from './agenda.ts'
import type { HostCosts } from './host-profile.ts'

const PAGE = 4096

/** CPU ns per host page of one block. */
export interface BlockCosts {
  /** UFFDIO_COPY, zero copy included. */
  readonly copyNs: number
  readonly zeropageNs: number
  /** The kernel zero-fills the page on first touch. */
  readonly readFaultNs: number
  readonly writeFaultNs: number
  /** A direct read into it gets the page. */
  readonly pinFaultNs: number
  /** The page is written after ZEROPAGE, or a read fault, mapped the shared zero page. Only anonymous memory does so. */
  readonly zeroPageSharesFrame: boolean
}

export function blockCosts(layout: Layout, costs: HostCosts): BlockCosts[] {
  return layout.blocks.map(block => costsOf(block, costs))
}

function costsOf({ kind, hostPageSize }: LayoutBlock, costs: HostCosts): BlockCosts {
  const small = hostPageSize / PAGE
  const huge = hostPageSize / (2 * MIB)
  switch (kind) {
    case 'anon':
      return {
        copyNs: small * costs.copyAnon4kNs,
        zeropageNs: small * costs.zeroAnon4kNs,
        readFaultNs: small * costs.anonReadFaultNs,
        writeFaultNs: small * costs.anonWriteFaultNs,
        pinFaultNs: small * costs.anonPinFaultNs,
        zeroPageSharesFrame: true,
      }
    case 'shmem':
      return {
        copyNs: small * costs.copyShmem4kNs,
        zeropageNs: small * costs.zeroShmem4kNs,
        readFaultNs: small * costs.shmemFaultNs,
        writeFaultNs: small * costs.shmemFaultNs,
        pinFaultNs: small * costs.shmemFaultNs,
        zeroPageSharesFrame: false,
      }
    case 'hugetlb':
      return {
        copyNs: huge * costs.copyHuge2mNs,
        zeropageNs: Number.NaN,
        readFaultNs: huge * costs.hugeFault2mNs,
        writeFaultNs: huge * costs.hugeFault2mNs,
        pinFaultNs: huge * costs.hugeFault2mNs,
        zeroPageSharesFrame: false,
      }
  }
}

export interface InstallCostContext {
  readonly policy: Policy
  readonly costs: HostCosts
  readonly blockCosts: readonly BlockCosts[]
}

/**
 * CPU of one install call, without the wake-ups that it causes.
 * @param fromFile the bytes lie in a buffer as whole host pages already (working-set file)
 */
export function installCallNs(context: InstallCostContext, run: InstallRun, fromFile: boolean): number {
  const { policy, costs, blockCosts } = context
  const { op, block, first, count } = run
  const { copyNs, zeropageNs, writeFaultNs, pinFaultNs } = blockCosts[block.index]
  // read(2) into fresh memory takes the page faults, or gets the pages to pin them; the copy itself is part of the read.
  if (policy.mechanism.install === 'load') return count * (policy.mechanism.direct ? pinFaultNs : writeFaultNs)
  if (op === OP_ZEROPAGE) return costs.zeroCallNs + count * zeropageNs
  const ns = costs.copyCallNs + count * copyNs
  if (op !== OP_COPY || fromFile || block.pageShift === 0) return ns
  return ns + (clearPages(block, first, count) * block.block.pageSize * costs.fillZero4kNs) / 4096
}

/** Target pages without data under host pages `[first, first + count)`: what a bounce buffer must be zeroed for. */
function clearPages(layoutBlock: LayoutBlock, first: number, count: number): number {
  const { block, firstHostPage, pageShift } = layoutBlock
  const pages = runBytes(layoutBlock, first, count) / block.pageSize
  return pages - countBits(block.bitmap, (first - firstHostPage) * (1 << pageShift), pages)
}

/** CPU that an install call takes more for a thread that it wakes. */
export function wakeCallNs(agenda: ActorClock, costs: HostCosts, actor: number): number {
  if (agenda.wakesRemotely(actor)) return costs.wakeCallRemoteNs
  return agenda.interrupts(actor) ? costs.wakeCallLocalNs + costs.busyWakeNs : costs.wakeCallLocalNs
}
