/** What a carrier reads: pages of the snapshot, and the working-set file. CPU is due with the carrier's next burst. */
import type { Carrier, CarrierSetup } from './carrier.ts'
import { directReadNs, fetchNs } from './read-costs.ts'

/**
 * One read of the snapshot, target pages [first, end) of the batch's block.
 * @param reader of the page cache
 * @returns when its bytes are there
 */
export function readSnapshot(
  setup: CarrierSetup,
  carrier: Carrier,
  reader: number,
  first: number,
  end: number,
): number {
  const { cache, costs, readCosts } = setup
  const { now } = setup.agenda
  const { block } = carrier.batch.runs[0]
  const bytes = (end - first) * block.block.pageSize
  if (setup.policy.mechanism.direct) {
    const { device } = setup
    const doneNs = device.submit(now, bytes, block.block.pagesOffset + first * block.block.pageSize)
    carrier.debtNs += directReadNs(readCosts, bytes) + device.extraCpuNs
    return doneNs
  }
  const { firstTargetPage } = block
  const readyNs = cache.read(reader, block, firstTargetPage + first, firstTargetPage + end, now)
  carrier.debtNs += costs.readCallNs + (bytes / 4096) * costs.read4kNs
  carrier.debtNs += fetchNs(readCosts, cache)
  return readyNs
}

/** The batch's read of the working-set file; returns when its bytes are there, or -1: they are, and nothing was asked for. */
export function readWorkingSet(setup: CarrierSetup, carrier: Carrier): number {
  const { policy, agenda, cache, device, costs, readCosts, workingSetPlace } = setup
  const { batch } = carrier
  const bytes = batch.fileBytes
  const place = workingSetPlace + batch.fileOffset
  batch.fileBytes = 0
  batch.fromFile = true
  if (policy.mechanism.workingSetDirect) {
    const doneNs = device.submit(agenda.now, bytes, place)
    carrier.debtNs += directReadNs(readCosts, bytes) + device.extraCpuNs
    return doneNs
  }
  const readyNs = cache.readWorkingSet(batch.fileOffset, bytes, place, agenda.now)
  carrier.debtNs += costs.readCallNs + (bytes / 4096) * costs.read4kNs
  if (cache.fetches === 0) return readyNs > agenda.now ? readyNs : -1
  carrier.debtNs += fetchNs(readCosts, cache)
  return readyNs
}
