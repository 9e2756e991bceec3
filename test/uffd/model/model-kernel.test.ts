/** The model kernel as a resolver loop uses it: memory with bytes, threads that touch, one channel. */
import { describe, expect, it } from 'vitest'
import { UFFD_EVENT_PAGEFAULT, UFFDIO_REGISTER_MODE_MINOR } from '../../../src/uffd/constants.ts'
import { createModelRig, HUGE, PAGE, readAll, resolveAll } from './support.ts'

const GIB = 2 ** 30

describe('the model kernel', () => {
  it('puts a thread to sleep at a missing page, and COPY wakes it with the bytes', () => {
    const { vm, channel, memory, page, source } = createModelRig()
    const vcpu = vm.createThread()
    expect(vm.touch(vcpu, page(2) + 5, { write: false })).toBe('blocked')
    expect(channel.counters).toEqual({ pending: 1, total: 1 })
    expect(readAll(channel)).toEqual([{ event: UFFD_EVENT_PAGEFAULT, flags: 0, address: page(2), end: 0 }])
    expect(channel.copy(page(2), source + 2 * PAGE, PAGE, 0)).toBe('done')
    expect(channel.bytesDone).toBe(PAGE)
    expect([vcpu.ending, vcpu.value]).toEqual(['ok', 3])
    expect(memory.presentPages).toBe(1)
    expect(memory.bytes(2 * PAGE, PAGE)).toEqual(new Uint8Array(PAGE).fill(3))
  })

  it.each([
    ['anon', PAGE],
    ['shmem', PAGE],
    ['hugetlb', HUGE],
  ] as const)('holds, after all of %s was touched, what the source has', (kind, hostPageSize) => {
    const rig = createModelRig({ kind, hostPageSize })
    const { vm, memory, page } = rig
    for (let i = 0; i < 8; i++) vm.touch(vm.createThread(), page(i), { write: i % 2 === 1, value: i + 1 })
    resolveAll(rig)
    expect(memory.presentPages).toBe(8)
    for (let i = 0; i < 8; i++) expect(memory.bytes(i * hostPageSize, 2)).toEqual(Uint8Array.of(i + 1, i + 1))
  })

  it('has huge pages of other sizes too', () => {
    const { memory, channel, vm } = createModelRig({ kind: 'anon' })
    const gigantic = vm.createMemory({ kind: 'hugetlb', hostPageSize: GIB, byteLength: GIB })
    expect(gigantic.address % GIB).toBe(0)
    expect(channel.register(gigantic.address, GIB, 1)).toBe('done')
    expect(vm.touch(vm.createThread(), gigantic.address + PAGE, { write: false })).toBe('blocked')
    expect(readAll(channel)[0].address).toBe(gigantic.address)
    expect(memory.file).toBeNull()
  })

  it('fills the page cache of a file from outside, for CONTINUE', () => {
    const { vm, channel, memory, page } = createModelRig({ kind: 'shmem', mode: UFFDIO_REGISTER_MODE_MINOR })
    vm.fill(memory.file!, 1, 0x33)
    const vcpu = vm.createThread()
    vm.touch(vcpu, page(1), { write: false })
    expect(channel.continue(page(1), PAGE, 0)).toBe('done')
    expect(vcpu.value).toBe(0x33)
  })

  it('lets simulated threads go on while a handler waits', () => {
    const { vm, channel, page } = createModelRig()
    channel.onIdle = () => vm.touch(vm.createThread(), page(0), { write: false })
    expect(channel.poll(20)).toBe(true)
  })

  it('reads a buffer that is no whole page as if zeros came behind it', () => {
    const { vm, channel, memory, page } = createModelRig()
    const source = vm.createBuffer(Uint8Array.of(1, 2, 3))
    expect(channel.copy(page(0), source, PAGE, 0)).toBe('done')
    expect(memory.bytes(0, 5)).toEqual(Uint8Array.of(1, 2, 3, 0, 0))
  })

  it('gives pages back to their pool when nothing refers to them any more', () => {
    const { kernel, vm, channel, source, page } = createModelRig({ kind: 'hugetlb', hostPageSize: HUGE, pages: 2 })
    const { free } = kernel.hugePages()
    channel.copy(page(0), source, 2 * HUGE, 0)
    expect(kernel.hugePages().free).toBe(free - 2)
    vm.madvise(vm.createThread(), page(0), HUGE, 'remove')
    expect(kernel.hugePages().free).toBe(free - 1)
  })

  it('refuses memory that is no whole number of host pages, and two mappings in one place', () => {
    const { vm, memory } = createModelRig()
    expect(() => vm.createMemory({ kind: 'hugetlb', hostPageSize: HUGE, byteLength: PAGE })).toThrow(
      'memory: found 4096 bytes in host pages of 2097152, expected a whole number of host pages',
    )
    expect(() => vm.mapAnonymous(memory.address, PAGE)).toThrow('found something mapped there, expected nothing')
  })

  it('answers nothing but errors on a closed channel', () => {
    const { channel, page, source } = createModelRig()
    channel.close()
    channel.close()
    expect([channel.copy(page(0), source, PAGE, 0), channel.errno]).toEqual(['failed', 9])
    expect([channel.poll(0), channel.errno]).toEqual([false, 9])
    expect([readAll(channel), channel.errno]).toEqual([[], 9])
  })
})
