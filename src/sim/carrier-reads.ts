/** What a carrier reads: pages of the snapshot, and the working-set file. CPU is due with the carrier's next burst. */
import type { Carrier, CarrierSetup } from './carrier.ts'
import { directReadNs, fetchNs } from './read-costs.ts'

/**
 * One read of the snapshot, target pages [first, end) of the batch's block.
 * @param reader of the page cache
 * @returns when its bytes are there
 */
export function readSnapshot(
  { policy, agenda, cache, device, costs, readCosts }: CarrierSetup,
  carrier: Carrier,
  reader: number,
  first: number,
  end: number,
): number {
  const { block } = carrier.batch.runs[0]
  const { pageSize, pagesOffset } = block.block
  const bytes = (end - first) * pageSize
  if (policy.mechanism.direct) {
    const doneNs = device.submit(agenda.now, bytes, pagesOffset + first * pageSize)
    carrier.debtNs += directReadNs(readCosts, bytes) + device.extraCpuNs
    return doneNs
  }
  const { firstTargetPage } = block
  const readyNs = cache.read(reader, block, firstTargetPage + first, firstTargetPage + end, agenda.now)
  carrier.debtNs += costs.readCallNs + (bytes / 4096) * costs.read4kNs
  if (cache.fetchedBytes > 0) {
    carrier.debtNs += fetchNs(readCosts, cache.fetchedBytes, cache.fetchedAhead) + cache.fetchedExtraNs
  }
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
  if (cache.fetchedBytes === 0) return readyNs > agenda.now ? readyNs : -1
  carrier.debtNs += fetchNs(readCosts, bytes, true) + cache.fetchedExtraNs
  return readyNs
}
