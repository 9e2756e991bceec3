/** What the tests of the handler share: VMMs for a snapshot, and waiting until their memory is there. */
import { countBits, testBit } from '../../src/core/bitmap.ts'
import { MIB } from '../../src/core/units.ts'
import { probe } from '../../src/uffd/availability.ts'
import { hugePageReason } from '../../src/uffd/huge-pages.ts'
import type { TestHandler } from './handler-process.ts'
import { LIMIT_MS, pause } from './processes.ts'
import { type TestSnapshot, TOTAL_BYTES } from './snapshots.ts'
import { type Inspection, TestVmm } from './test-vmm.ts'
import type { HandshakeConfig, VmmConfig } from './vmm/protocol.ts'

export type MemoryKind = VmmConfig['kind']

export const HUGE = 2 * MIB
/** Of a VM on hugetlb. */
export const HUGE_PAGES = TOTAL_BYTES / HUGE

/** Why nothing here can run; null when it can. */
export const missing = (): string | null => probe().kvm ?? probe().userfaultfd
export const missingHugePages = (): string | null => hugePageReason(HUGE, HUGE_PAGES)

/** @throws Error when the handler ends instead */
export function startVmm(
  handler: TestHandler,
  { regions }: TestSnapshot,
  kind: MemoryKind = 'anon',
  handshake: HandshakeConfig = {},
): Promise<TestVmm> {
  const { socket } = handler
  const vmm = TestVmm.start({ socket, kind, hostPageSize: kind === 'anon' ? 4096 : HUGE, regions, handshake })
  return Promise.race([vmm, handler.failed])
}

/** The same, of which the handler has served a page: before, it may not know of the VM yet. */
export async function startServedVmm(handler: TestHandler, snapshot: TestSnapshot): Promise<TestVmm> {
  const vmm = await startVmm(handler, snapshot)
  await vmm.fold({ pages: [[0, 1]] })
  return vmm
}

/** Both at a time, as their processes take a while to start. */
export function startVmms(
  handler: TestHandler,
  snapshot: TestSnapshot,
  kinds: readonly MemoryKind[],
): Promise<TestVmm[]> {
  return Promise.all(kinds.map(kind => startVmm(handler, snapshot, kind)))
}

/** Waits until every page is there that `isWanted`, without touching one. */
export async function inspectWhenInstalled(vmm: TestVmm, isWanted: (page: number) => boolean): Promise<Inspection> {
  const deadline = Date.now() + LIMIT_MS
  for (;;) {
    const inspection = await vmm.inspect()
    const { installed, folds } = inspection
    const late = folds.findIndex((_, page) => isWanted(page) && !testBit(installed, page))
    if (late < 0) return inspection
    if (Date.now() > deadline) {
      const count = countBits(installed, 0, folds.length)
      throw new Error(`memory: found ${count} of ${folds.length} pages installed, and not page ${late}`)
    }
    await pause(20)
  }
}
