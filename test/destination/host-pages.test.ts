/** Which memory each block gets, and what is refused. */
import { describe, expect, test } from 'vitest'
import { LazyRestoreError } from '../../src/core/error.ts'
import { type BlockMemory, parseHostPages } from '../../src/destination/host-pages.ts'
import { createLayout } from '../../src/destination/layout.ts'
import { snapshotOfBits } from './layout-of-bits.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** `ram` of 4 MiB, `rom` of 256 KiB, and an ignored one. */
const SNAPSHOT = snapshotOfBits([
  { name: 'ram', bits: '1'.repeat(1024) },
  { name: 'rom', bits: '1'.repeat(64) },
  { name: 'shared', bits: '1', ignored: true },
])

function choose(text: string): BlockMemory[] {
  const choice = parseHostPages(text)
  choice.checkAllUsed(SNAPSHOT)
  return SNAPSHOT.blocks.slice(0, 2).map(choice.forBlock)
}

describe('host pages', () => {
  test.each<[string, BlockMemory, BlockMemory]>([
    ['4K', { kind: 'anon', hostPageSize: 4 * KIB }, { kind: 'anon', hostPageSize: 4 * KIB }],
    ['4K:shmem', { kind: 'shmem', hostPageSize: 4 * KIB }, { kind: 'shmem', hostPageSize: 4 * KIB }],
    ['64KiB', { kind: 'anon', hostPageSize: 64 * KIB }, { kind: 'anon', hostPageSize: 64 * KIB }],
    // A ROM block of 256 KiB has no whole hugetlb page; other kinds have partial ones.
    ['2M', { kind: 'hugetlb', hostPageSize: 2 * MIB }, { kind: 'anon', hostPageSize: 4 * KIB }],
    ['2M:anon', { kind: 'anon', hostPageSize: 2 * MIB }, { kind: 'anon', hostPageSize: 2 * MIB }],
    ['2M:shmem', { kind: 'shmem', hostPageSize: 2 * MIB }, { kind: 'shmem', hostPageSize: 2 * MIB }],
    ['ram=2M', { kind: 'hugetlb', hostPageSize: 2 * MIB }, { kind: 'anon', hostPageSize: 4 * KIB }],
    ['ram=2M,rom=64K:shmem', { kind: 'hugetlb', hostPageSize: 2 * MIB }, { kind: 'shmem', hostPageSize: 64 * KIB }],
    ['64K,rom=4K', { kind: 'anon', hostPageSize: 64 * KIB }, { kind: 'anon', hostPageSize: 4 * KIB }],
  ])('%j', (text, ram, rom) => expect(choose(text)).toEqual([ram, rom]))

  test('of a block with larger target pages are no smaller than those', () => {
    const [block] = snapshotOfBits([{ bits: '11', pageSize: 16 * KIB }]).blocks
    expect(parseHostPages('4K').forBlock(block)).toEqual({ kind: 'anon', hostPageSize: 16 * KIB })
    expect(parseHostPages('64K').forBlock(block)).toEqual({ kind: 'anon', hostPageSize: 64 * KIB })
  })

  test.each([
    ['rom=2M', 'block rom: found a length of 262144 bytes, expected a multiple of the hugetlb page size, 2 MiB'],
    ['ram=1G', 'block ram: found a length of 4194304 bytes, expected a multiple of the hugetlb page size, 1 GiB'],
  ])('given by name are an order: %j is refused', (text, message) => {
    expect(() => choose(text)).toThrow(new LazyRestoreError('mismatch', message))
  })

  test('for all blocks that none can carry are refused, not dropped in silence', () => {
    const snapshot = snapshotOfBits([
      { name: 'ram', bits: '1'.repeat(1024) },
      { name: 'rom', bits: '1' },
    ])
    expect(() => createLayout(snapshot, parseHostPages('1G'))).toThrow(
      new LazyRestoreError(
        'mismatch',
        `${snapshot.name}: found no block that can lie on hugetlb 1 GiB, expected at least one; block ram: found a length of 4194304 bytes, expected a multiple of the hugetlb page size, 1 GiB`,
      ),
    )
    expect(createLayout(snapshot, parseHostPages('2M')).description).toBe('ram: hugetlb 2 MiB, others: anon 4 KiB')
    const [large] = createLayout(snapshotOfBits([{ bits: '11', pageSize: 16 * KIB }]), parseHostPages('4K')).blocks
    expect(large.hostPageSize).toBe(16 * KIB)
  })

  test('smaller than the target pages are refused when given by name', () => {
    const [block] = snapshotOfBits([{ name: 'big', bits: '1', pageSize: 16 * KIB }]).blocks
    expect(() => parseHostPages('big=4K').forBlock(block)).toThrow(
      'block big: found host page size 4 KiB, expected at least its target page size, 16 KiB',
    )
  })

  test.each([
    ['', 'host page size: found "", expected a size such as 4096, 64K, 2MiB or 1GiB'],
    ['8K', 'host page size: found "8K", expected one of 4 KiB, 64 KiB, 2 MiB, 1 GiB'],
    ['2M:', 'memory kind: found "", expected anon, shmem or hugetlb'],
    ['2M:thp', 'memory kind: found "thp", expected anon, shmem or hugetlb'],
    ['2M:anon:4K', 'memory kind: found "anon:4K", expected anon, shmem or hugetlb'],
    ['64K:hugetlb', 'memory kind: found hugetlb with pages of 64 KiB, expected 2 MiB or 1 GiB'],
    ['ram=', 'host page size: found "", expected a size such as 4096, 64K, 2MiB or 1GiB'],
    ['2M,4K', 'host page size: found a second size for all blocks, "4K", expected one'],
    ['ram=2M,ram=4K', 'host page size: found a second size for block "ram", "ram=4K", expected one'],
    ['rum=4K', 'host page size: found block "rum", expected one of ram, rom, shared'],
    ['shared=4K', 'host page size: found block "shared", expected one of ram, rom, shared'],
  ])('%j is refused', (text, message) => {
    expect(() => choose(text)).toThrow(new LazyRestoreError('usage', message))
  })
})
