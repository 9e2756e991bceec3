/**
 * "A guest that was restored lazily computes the right checksum over its memory", with memory of every kind.
 *
 * @module-tag kvm
 */
import { describe, expect, it, onTestFinished } from 'vitest'
import { MIB } from '../../../src/core/units.ts'
import type { BlockMemory } from '../../../src/destination/host-pages.ts'
import { probe } from '../../../src/uffd/availability.ts'
import { hugePageReason } from '../../../src/uffd/huge-pages.ts'
import { Guest } from '../../../src/uffd/kvm/guest.ts'
import { foldWords, readFolds, writeRanges } from '../../../src/uffd/kvm/guest-lists.ts'
import { kvmReason } from '../../../src/uffd/kvm/vm.ts'
import { MemoryRegion } from '../../../src/uffd/memory-region.ts'
import { requireForEach, requireOrSkip } from '../../support/availability.ts'
import { reserveHugePages } from '../../support/huge-pages.ts'
import { PAGE, settled } from '../support.ts'
import { register, resolveWhile, startVcpus } from './support.ts'

const BYTES = 8 * MIB
const RANGES_PER_VCPU = 3

reserveHugePages(2 * MIB, 16)
requireForEach(() => kvmReason() ?? probe().userfaultfd)

const MEMORY: readonly BlockMemory[] = [
  { kind: 'anon', hostPageSize: PAGE },
  { kind: 'shmem', hostPageSize: PAGE },
  { kind: 'hugetlb', hostPageSize: 2 * MIB },
]

function createRegion(memory: BlockMemory): MemoryRegion {
  const region = new MemoryRegion({ ...memory, byteLength: BYTES })
  onTestFinished(() => region.close())
  return region
}

/** Cuts the memory into ranges of uneven length, some inside a page. */
function ranges(vcpus: number) {
  const count = vcpus * RANGES_PER_VCPU
  const cuts = Array.from({ length: count + 1 }, (_, i) => Math.floor((BYTES / 4) * (i / count) ** 2) * 4)
  return cuts.slice(1).map((end, i) => ({ address: cuts[i], byteLength: end - cuts[i] }))
}

describe('a guest folds memory that is missing at first', () => {
  for (const memory of MEMORY) {
    for (const vcpus of [1, 2]) {
      it(`to what it holds in the source: ${memory.kind}, ${vcpus} vCPUs`, async context => {
        requireOrSkip(context, memory.kind === 'hugetlb' ? hugePageReason(2 * MIB, BYTES / (2 * MIB)) : null)
        const region = createRegion(memory)
        const source = createRegion({ kind: 'anon', hostPageSize: PAGE })
        const bytes = source.view(0, BYTES)
        const words = new Uint32Array(bytes.buffer, bytes.byteOffset, BYTES / 4)
        for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 0x85eb_ca6b) ^ (i >>> 3)

        const parts = ranges(vcpus)
        const partsOf = (vcpu: number) => parts.slice(vcpu * RANGES_PER_VCPU, (vcpu + 1) * RANGES_PER_VCPU)
        const guest = new Guest([region], new Array(vcpus).fill(RANGES_PER_VCPU))
        for (let vcpu = 0; vcpu < vcpus; vcpu++) {
          const addressed = partsOf(vcpu).map(part => ({ ...part, address: guest.addressOf(0, part.address) }))
          writeRanges(guest.list(vcpu), addressed)
        }
        const uffd = register(region)
        const running = await startVcpus(guest, 'fold', vcpus)
        await resolveWhile(running, uffd, region, address => {
          const from = source.address + address - region.address
          if (uffd.copy(address, from, memory.hostPageSize, 0) === 'exists') uffd.wake(address, memory.hostPageSize)
        })
        const results = await settled(running.results, 'vCPUs')
        expect(results.map(({ failure }) => failure)).toEqual(new Array(vcpus).fill(null))
        const found = results.flatMap((_, vcpu) => [...readFolds(guest.list(vcpu), RANGES_PER_VCPU)])
        const expected = parts.map(({ address, byteLength }) =>
          foldWords(words.subarray(address / 4, (address + byteLength) / 4)),
        )
        expect(found).toEqual(expected)
      })
    }
  }
})
