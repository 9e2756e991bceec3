/**
 * Which host page size and memory kind each RAM block gets at the destination. Written `2M`, `4K:shmem` (all blocks), or
 * `m0=2M,pc.bios=4K` (some by name, the others 4 KiB anon). A size for all blocks goes to those that can carry it: a
 * hugetlb block has no partial page, so ROM blocks of a few KiB stay on 4 KiB pages, as they do in QEMU. A size given to
 * a block by name is an order, and refused when the block cannot carry it.
 */
import { LazyRestoreError } from '../core/error.ts'
import { formatBytes, GIB, KIB, MIB, parseBytes } from '../core/units.ts'
import type { RamBlock, Snapshot } from '../snapshot/snapshot.ts'

export type MemoryKind = 'anon' | 'shmem' | 'hugetlb'

/** Memory of one block: the unit of installation, and what the kernel can do with it. */
export interface BlockMemory {
  readonly kind: MemoryKind
  readonly hostPageSize: number
}

export interface HostPageChoice {
  forBlock(block: RamBlock): BlockMemory
  /**
   * @throws LazyRestoreError `usage` when a block was named that the snapshot does not have; `mismatch` when no block can
   * carry the size for all
   */
  checkAllUsed(snapshot: Snapshot): void
}

export const HOST_PAGE_SIZES: readonly number[] = [4 * KIB, 64 * KIB, 2 * MIB, GIB]
const SMALL: BlockMemory = { kind: 'anon', hostPageSize: 4 * KIB }

/** Parses the option; see the header for the grammar. */
export function parseHostPages(text: string): HostPageChoice {
  let all: BlockMemory | null = null
  const named = new Map<string, BlockMemory>()
  const refuseSecond = (found: string) => {
    throw new LazyRestoreError('usage', `host page size: found a second ${found}, expected one`)
  }
  for (const piece of text.split(',')) {
    const equals = piece.lastIndexOf('=')
    const memory = parseBlockMemory(piece.slice(equals + 1))
    const name = piece.slice(0, Math.max(0, equals))
    if (equals < 0) all = all === null ? memory : refuseSecond(`size for all blocks, "${piece}"`)
    else if (named.has(name)) refuseSecond(`size for block "${name}", "${piece}"`)
    else named.set(name, memory)
  }
  return {
    forBlock: block => chooseMemory(block, named.get(block.name) ?? null, all ?? SMALL),
    checkAllUsed: snapshot => {
      if (all !== null) checkSomeCanCarry(snapshot, all)
      for (const name of named.keys()) {
        if (snapshot.blocks.some(block => block.name === name && !block.ignored)) continue
        const known = snapshot.blocks.map(block => block.name).join(', ')
        throw new LazyRestoreError('usage', `host page size: found block "${name}", expected one of ${known}`)
      }
    },
  }
}

function checkSomeCanCarry({ name, blocks }: Snapshot, memory: BlockMemory): void {
  // Smaller than a block's target pages only means that its host pages are no smaller than those.
  if (memory.kind !== 'hugetlb') return
  const reasons = blocks.filter(({ ignored }) => !ignored).map(block => refusal(block, memory))
  if (reasons.includes(null)) return
  const size = describeBlockMemory(memory)
  throw new LazyRestoreError(
    'mismatch',
    `${name}: found no block that can lie on ${size}, expected at least one; ${reasons[0]}`,
  )
}

function chooseMemory(block: RamBlock, ordered: BlockMemory | null, all: BlockMemory): BlockMemory {
  const small = { kind: SMALL.kind, hostPageSize: Math.max(SMALL.hostPageSize, block.pageSize) }
  const memory = ordered ?? (refusal(block, all) === null ? all : small)
  const reason = refusal(block, memory)
  if (reason !== null) throw new LazyRestoreError('mismatch', reason)
  return memory
}

/** Why the block cannot lie on this memory; null when it can. */
function refusal(block: RamBlock, { kind, hostPageSize }: BlockMemory): string | null {
  if (hostPageSize < block.pageSize) {
    return `block ${block.name}: found host page size ${formatBytes(hostPageSize)}, expected at least its target page size, ${formatBytes(block.pageSize)}`
  }
  if (kind === 'hugetlb' && block.usedLength % hostPageSize !== 0) {
    return `block ${block.name}: found a length of ${block.usedLength} bytes, expected a multiple of the hugetlb page size, ${formatBytes(hostPageSize)}`
  }
  return null
}

function parseBlockMemory(text: string): BlockMemory {
  const colon = text.indexOf(':')
  const sizeText = colon < 0 ? text : text.slice(0, colon)
  const kindText = colon < 0 ? null : text.slice(colon + 1)
  const hostPageSize = parseBytes(sizeText, 'host page size')
  if (!HOST_PAGE_SIZES.includes(hostPageSize)) {
    const expected = HOST_PAGE_SIZES.map(formatBytes).join(', ')
    throw new LazyRestoreError('usage', `host page size: found "${sizeText}", expected one of ${expected}`)
  }
  const kind = kindText ?? (hostPageSize >= 2 * MIB ? 'hugetlb' : 'anon')
  if (kind !== 'anon' && kind !== 'shmem' && kind !== 'hugetlb') {
    throw new LazyRestoreError('usage', `memory kind: found "${kind}", expected anon, shmem or hugetlb`)
  }
  if (kind === 'hugetlb' && hostPageSize < 2 * MIB) {
    throw new LazyRestoreError(
      'usage',
      `memory kind: found hugetlb with pages of ${formatBytes(hostPageSize)}, expected 2 MiB or 1 GiB`,
    )
  }
  return { kind, hostPageSize }
}

export function describeBlockMemory({ kind, hostPageSize }: BlockMemory): string {
  return `${kind} ${formatBytes(hostPageSize)}`
}
