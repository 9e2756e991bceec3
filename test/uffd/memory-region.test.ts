import { readFileSync, writeSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { GIB, KIB, MIB } from '../../src/core/units.ts'
import { hugePagePool, hugePageReason, shortage } from '../../src/uffd/huge-pages.ts'
import { MemoryRegion, type MemoryRegionOptions } from '../../src/uffd/memory-region.ts'
import { nativeReason } from '../../src/uffd/native.ts'
import { requireForEach, requireOrSkip } from '../support/availability.ts'
import { reserveHugePages } from '../support/huge-pages.ts'

const HUGE = 2 * MIB
reserveHugePages(HUGE, 4)
requireForEach(nativeReason)

function create(options: MemoryRegionOptions): MemoryRegion {
  const region = new MemoryRegion(options)
  onTestFinished(() => region.close())
  return region
}

/** The mapping that starts at an address: `rw-p …`. */
function mapping(address: number): string {
  const line = readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .find(text => text.startsWith(`${address.toString(16)}-`))
  return line ?? 'none'
}

describe('a memory region', () => {
  it.for([
    ['anon', 4 * KIB, false],
    ['anon', 64 * KIB, false],
    ['anon', HUGE, false],
    ['shmem', 4 * KIB, true],
    ['shmem', HUGE, false],
    ['hugetlb', HUGE, true],
    ['hugetlb', HUGE, false],
  ] as const)('of kind %s, %d bytes a host page, shared: %s, is aligned, zero and guarded', (row, context) => {
    const [kind, hostPageSize, shared] = row
    if (kind === 'hugetlb') requireOrSkip(context, hugePageReason(hostPageSize, 2))
    const region = create({ kind, hostPageSize, byteLength: 2 * hostPageSize, shared })
    expect(region.address % hostPageSize).toBe(0)
    expect(mapping(region.address)).toMatch(shared ? /rw-s/ : /rw-p/)
    expect(mapping(region.address + region.byteLength)).toMatch(/---p/)
    expect(region.descriptor >= 0).toBe(kind === 'shmem' || (kind === 'hugetlb' && shared))
    const view = region.view(0, region.byteLength)
    expect(view[view.length - 1]).toBe(0)
    view.fill(7)
    expect(region.resident.compare(region.address, new Uint8Array(region.byteLength).fill(7))).toBeNull()
  })

  it('forgets its content when it is discarded', () => {
    for (const kind of ['anon', 'shmem'] as const) {
      const region = create({ kind, hostPageSize: 4 * KIB, byteLength: 8 * KIB })
      region.view(0, 8 * KIB).fill(1)
      region.discard()
      expect(region.view(0, 8 * KIB).every(byte => byte === 0)).toBe(true)
    }
  })

  it('keeps its huge pages when it is discarded: nobody else can have them meanwhile', context => {
    requireOrSkip(context, hugePageReason(HUGE, 2))
    const region = create({ kind: 'hugetlb', hostPageSize: HUGE, byteLength: 2 * HUGE })
    const reserved = () => Number(readFileSync('/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages', 'latin1'))
    // Other tests use the pool too, but not in most of these moments.
    const gained = Array.from({ length: 21 }, () => {
      region.view(0, 2 * HUGE)[HUGE] = 1
      const before = reserved()
      region.discard()
      return reserved() - before
    })
    expect(gained.sort((a, b) => a - b)[10]).toBe(1)
  })

  it('shares its memory file', () => {
    const region = create({ kind: 'shmem', hostPageSize: 4 * KIB, byteLength: 8 * KIB })
    writeSync(region.descriptor, 'abc', 5000)
    expect(Buffer.from(region.view(5000, 3)).toString()).toBe('abc')
  })

  it('has one view a place, and none outside or after close', () => {
    const region = create({ kind: 'anon', hostPageSize: 4 * KIB, byteLength: 64 * KIB })
    expect(region.view(4096, 8).buffer).toBe(region.view(0, 8).buffer)
    expect(region.view(4096, 8).byteOffset).toBe(4096)
    expect(() => region.view(60 * KIB, 5 * KIB)).toThrow(/expected them within 0 to 65536/)
    expect(() => region.view(-1, 1)).toThrow(/expected them within/)
    region.close()
    region.close()
    expect(() => region.view(0, 1)).toThrow(/found it closed/)
    expect(() => region.resident).toThrow(/found it closed/)
  })

  it('gives its memory back', () => {
    const region = new MemoryRegion({ kind: 'anon', hostPageSize: HUGE, byteLength: HUGE })
    expect(mapping(region.address)).not.toBe('none')
    region.close()
    expect(mapping(region.address)).toBe('none')
  })

  it.each([
    [{ kind: 'anon', hostPageSize: 5000, byteLength: 5000 }, /found 5000, expected a power of two/],
    [
      { kind: 'anon', hostPageSize: 4096, byteLength: 5000 },
      /found a length of 5000 bytes, expected a multiple of .* 4 KiB/,
    ],
    [{ kind: 'anon', hostPageSize: 4096, byteLength: 0 }, /found a length of 0 bytes/],
    [{ kind: 'anon', hostPageSize: 4096, byteLength: 4096, shared: true }, /found shared anonymous memory/],
    [{ kind: 'anon', hostPageSize: 4096, byteLength: 2 ** 50 }, /private anon memory of 1024 TiB: mmap: found ENOMEM/],
  ] as const)('refuses %j', (options, reason) => {
    expect(() => new MemoryRegion(options)).toThrow(reason)
  })

  it('says how many huge pages are missing, and how to get them, before it maps any', context => {
    const pool = hugePagePool(HUGE)
    requireOrSkip(context, pool === null ? 'no huge pages of 2 MiB' : null)
    const pages = pool!.available + 1000 // other tests use the pool too
    expect(() => new MemoryRegion({ kind: 'hugetlb', hostPageSize: HUGE, byteLength: pages * HUGE })).toThrow(
      /^hugetlb: found \d+ free pages of 2 MiB, expected \d+; run as root: echo \d+ > \/sys\/kernel\/mm\/hugepages\//,
    )
    expect(hugePageReason(512 * GIB, 1)).toBe('hugetlb: this host has no huge pages of 512 GiB')
  })
})

describe('a pool of huge pages', () => {
  it('is to grow by what is missing, not to what is wanted', () => {
    const pool = { pageSize: HUGE, total: 100, available: 30 }
    expect(shortage(pool, 30)).toBeNull()
    expect(shortage(pool, 512)).toBe(
      'hugetlb: found 30 free pages of 2 MiB, expected 512; run as root: echo 582 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages',
    )
  })
})
