/**
 * Cuts what a policy planned into install runs: the longest stretch of pages that nobody has claimed yet, that lies in one
 * block, takes one operation and stays within the limits of one read and one install call. Engines claim and carry out one
 * install run at a time; the two limits differ because a run of zero pages reads nothing.
 */
import { nextClearBit, nextSetBit } from '../core/bitmap.ts'
import type { Claims } from '../destination/claims.ts'
import { blockOfHostPage, type Layout, type LayoutBlock } from '../destination/layout.ts'
import { OP_COPY, type Operation, operationOf } from './resolver.ts'

/** Reused from call to call. */
export interface InstallRun {
  op: Operation
  block: LayoutBlock
  first: number
  /** 0: everything in the range was claimed already. */
  count: number
}

export interface InstallLimits {
  /** Largest read in bytes; a COPY run covers at most this, but at least one host page. */
  readonly readBytes: number
  /** Most bytes of zero pages in one call. */
  readonly zeroBytes: number
}

export function createInstallRun(layout: Layout): InstallRun {
  return { op: OP_COPY, block: layout.blocks[0], first: 0, count: 0 }
}

/** Finds the first install run in host pages `[from, end)`; does not claim it. */
export function nextInstallRun(
  layout: Layout,
  claims: Claims,
  from: number,
  end: number,
  limits: InstallLimits,
  into: InstallRun,
): InstallRun {
  into.first = claims.nextUnclaimed(from, end)
  into.count = 0
  if (into.first >= end) return into
  const block = blockOfHostPage(layout, into.first)
  if (into.block !== block) into.block = block // spares the garbage collector's write barrier
  into.op = operationOf(layout, into.first, block)
  into.count = 1
  const next = into.first + 1
  if (next === end) return into // as for most faults
  const copy = into.op === OP_COPY
  const mostPages = Math.max(1, Math.floor((copy ? limits.readBytes : limits.zeroBytes) / block.hostPageSize))
  const limit = Math.min(end, block.endHostPage, into.first + mostPages)
  const sameOperation = copy ? nextClearBit(layout.hasData, next, limit) : nextSetBit(layout.hasData, next, limit)
  into.count = claims.nextClaimed(next, sameOperation) - into.first
  return into
}
