/** What threads that touch get to see, and what the handler hears of them: the real kernel, the touch on another thread. */
import { writeSync } from 'node:fs'
import { constants } from 'node:os'
import { describe, expect, it } from 'vitest'
import { MIB } from '../../src/core/units.ts'
import { probe } from '../../src/uffd/availability.ts'
import {
  UFFD_EVENT_PAGEFAULT,
  UFFD_EVENT_REMOVE,
  UFFD_EVENT_UNMAP,
  UFFD_FEATURE_EVENT_REMOVE,
  UFFD_FEATURE_EVENT_UNMAP,
  UFFD_FEATURE_EXACT_ADDRESS,
  UFFD_FEATURE_THREAD_ID,
  UFFD_PAGEFAULT_FLAG_MINOR,
  UFFD_PAGEFAULT_FLAG_WP,
  UFFD_PAGEFAULT_FLAG_WRITE,
  UFFDIO_COPY_MODE_DONTWAKE,
  UFFDIO_COPY_MODE_WP,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
} from '../../src/uffd/constants.ts'
import { hugePageReason } from '../../src/uffd/huge-pages.ts'
import { createMessageBuffer } from '../../src/uffd/message-buffer.ts'
import { callInBackground } from '../../src/uffd/native.ts'
import { requireForEach, requireOrSkip } from '../support/availability.ts'
import { reserveHugePages } from '../support/huge-pages.ts'
import { createRig, LIMIT_MS, messages, PAGE, type Rig, readMessages, settled, sleepers } from './support.ts'

const { EAGAIN } = constants.errno
const MISSING = UFFDIO_REGISTER_MODE_MISSING
const MADV_DONTNEED = 4
/** MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS */
const MAP_FIXED_ANONYMOUS = 0x32

reserveHugePages(2 * MIB, 16)
requireForEach(() => probe().userfaultfd)

const fault = (address: number, flags = 0) => ({ event: UFFD_EVENT_PAGEFAULT, flags, address, end: 0 })
const copy = ({ uffd, page, source }: Rig, index: number, mode = 0) =>
  uffd.copy(page(index), source.address + index * PAGE, PAGE, mode)

describe('a missing page', () => {
  it('is a message, and the toucher goes on once it is copied', async () => {
    const rig = createRig()
    const touched = rig.touch(3, 7)
    expect(rig.uffd.poll(LIMIT_MS)).toBe(true)
    expect(readMessages(rig.uffd)).toEqual([fault(rig.page(3))])
    expect(messages.threadId[0]).toBe(0)
    expect(copy(rig, 3)).toBe('done')
    expect(await settled(touched, 'touch')).toBe(4)
  })

  it('is told with the write, the exact address and the thread, when they are asked for', async () => {
    const rig = createRig({ features: UFFD_FEATURE_EXACT_ADDRESS | UFFD_FEATURE_THREAD_ID })
    const stored = rig.store(2, 99)
    expect(rig.uffd.poll(LIMIT_MS)).toBe(true)
    expect(readMessages(rig.uffd)).toEqual([fault(rig.page(2), UFFD_PAGEFAULT_FLAG_WRITE)])
    expect(messages.threadId[0]).toBeGreaterThan(0)
    expect(copy(rig, 2)).toBe('done')
    await settled(stored, 'store')
    const touched = rig.touch(4, 1234)
    expect(rig.uffd.poll(LIMIT_MS)).toBe(true)
    expect(readMessages(rig.uffd)).toEqual([fault(rig.page(4) + 1234)])
    expect(copy(rig, 4)).toBe('done')
    expect(await settled(touched, 'touch')).toBe(5)
    expect(rig.region.resident.compare(rig.page(2), Uint8Array.of(99, 3, 3))).toBeNull()
  })

  it('is one message a thread, many to a read, and one copy wakes them all', async () => {
    const rig = createRig()
    const touches = [rig.touch(5), rig.touch(5), rig.touch(1)]
    await sleepers(rig.uffd, 3)
    expect(rig.uffd.counters).toEqual({ pending: 3, total: 3 })
    const pages = readMessages(rig.uffd).map(({ address }) => address)
    expect(pages.toSorted()).toEqual([rig.page(1), rig.page(5), rig.page(5)])
    expect(rig.uffd.counters).toEqual({ pending: 0, total: 3 })
    expect(copy(rig, 5)).toBe('done')
    expect(copy(rig, 1)).toBe('done')
    expect(await settled(Promise.all(touches), 'touches')).toEqual([6, 6, 2])
  })

  it('is read in portions when the buffer is smaller', async () => {
    const rig = createRig()
    const touches = [0, 1, 2].map(index => rig.touch(index))
    await sleepers(rig.uffd, 3)
    const two = createMessageBuffer(2)
    expect([rig.uffd.read(two), rig.uffd.read(two), rig.uffd.read(two)]).toEqual([2, 1, 0])
    expect(rig.uffd.errno).toBe(EAGAIN)
    expect(rig.uffd.zeropage(rig.page(0), 3 * PAGE, 0)).toBe('done')
    expect(await settled(Promise.all(touches), 'touches')).toEqual([0, 0, 0])
  })

  it('that is installed before the read leaves no message', async () => {
    const rig = createRig()
    const touched = rig.touch(0)
    await sleepers(rig.uffd, 1)
    expect(copy(rig, 0)).toBe('done')
    expect(readMessages(rig.uffd)).toEqual([])
    expect(rig.uffd.poll(0)).toBe(false)
    expect(await settled(touched, 'touch')).toBe(1)
  })

  it('is asked for again after a wake alone', async () => {
    const rig = createRig()
    const touched = rig.touch(0)
    expect(rig.uffd.poll(LIMIT_MS)).toBe(true)
    expect(readMessages(rig.uffd)).toHaveLength(1)
    expect(rig.uffd.poll(0)).toBe(false)
    expect(rig.uffd.wake(rig.page(0), PAGE)).toBe('done')
    expect(rig.uffd.poll(LIMIT_MS)).toBe(true)
    expect(readMessages(rig.uffd)).toEqual([fault(rig.page(0))])
    expect(copy(rig, 0)).toBe('done')
    expect(await settled(touched, 'touch')).toBe(1)
  })

  it('leaves its toucher asleep after a copy that does not wake, and after one that found it there', async () => {
    const rig = createRig()
    const touched = rig.touch(0)
    await sleepers(rig.uffd, 1)
    expect(copy(rig, 0, UFFDIO_COPY_MODE_DONTWAKE)).toBe('done')
    expect(rig.uffd.counters.total).toBe(1)
    expect(copy(rig, 0)).toBe('exists')
    expect(rig.uffd.counters.total).toBe(1)
    expect(rig.uffd.wake(rig.page(0), PAGE)).toBe('done')
    expect(await settled(touched, 'touch')).toBe(1)
  })

  it('becomes a page of zeros when nobody is left to install it', async () => {
    const rig = createRig()
    const touches = [rig.touch(0), rig.touch(1)]
    await sleepers(rig.uffd, 2)
    expect(rig.uffd.unregister(rig.page(0), PAGE)).toBe('done')
    await sleepers(rig.uffd, 1)
    rig.uffd.close()
    expect(await settled(Promise.all(touches), 'touches')).toEqual([0, 0])
  })

  it('of 2 MiB is told by its first byte, and copied whole', async context => {
    requireOrSkip(context, hugePageReason(2 * MIB, 4))
    const rig = createRig({ kind: 'hugetlb', hostPageSize: 2 * MIB, pages: 2 })
    const touched = rig.touch(1, 0x123456)
    expect(rig.uffd.poll(LIMIT_MS)).toBe(true)
    expect(readMessages(rig.uffd)).toEqual([fault(rig.page(1))])
    expect(rig.uffd.copy(rig.page(1), rig.source.address + 2 * MIB, 2 * MIB, 0)).toBe('done')
    expect(await settled(touched, 'touch')).toBe(2)
  })
})

describe('other faults', () => {
  it('minor: the page cache has the page, and continue maps it', async () => {
    const rig = createRig({ kind: 'shmem', mode: UFFDIO_REGISTER_MODE_MINOR })
    writeSync(rig.region.descriptor, Uint8Array.of(77), 0, 1, PAGE)
    const touched = rig.touch(1)
    expect(rig.uffd.poll(LIMIT_MS)).toBe(true)
    expect(readMessages(rig.uffd)).toEqual([fault(rig.page(1), UFFD_PAGEFAULT_FLAG_MINOR)])
    expect(rig.uffd.continue(rig.page(1), PAGE, 0)).toBe('done')
    expect(await settled(touched, 'touch')).toBe(77)
  })

  it('write protection: a read passes, a write waits until it is lifted', async () => {
    const rig = createRig({ mode: MISSING | UFFDIO_REGISTER_MODE_WP })
    expect(copy(rig, 0, UFFDIO_COPY_MODE_WP)).toBe('done')
    expect(await settled(rig.touch(0), 'touch')).toBe(1)
    const stored = rig.store(0, 50)
    expect(rig.uffd.poll(LIMIT_MS)).toBe(true)
    const flags = UFFD_PAGEFAULT_FLAG_WP | UFFD_PAGEFAULT_FLAG_WRITE
    expect(readMessages(rig.uffd)).toEqual([fault(rig.page(0), flags)])
    expect(rig.uffd.writeprotect(rig.page(0), PAGE, 0)).toBe('done')
    await settled(stored, 'store')
    expect(await settled(rig.touch(0), 'touch')).toBe(50)
  })

  it('poison: a sleeper is woken, and a system call that touches fails', async () => {
    const rig = createRig()
    const shmem = createRig({ kind: 'shmem', mode: null })
    const read = rig.watch(callInBackground('pread', shmem.region.descriptor, rig.page(0), PAGE, 0))
    await sleepers(rig.uffd, 1)
    expect(rig.uffd.poison(rig.page(0), PAGE, 0)).toBe('done')
    expect(await settled(read, 'pread')).toBe(-1)
  })
})

describe('an event', () => {
  it('holds up its thread and all operations until it is read', async () => {
    const rig = createRig({ features: UFFD_FEATURE_EVENT_REMOVE })
    expect(copy(rig, 2)).toBe('done')
    const advised = rig.watch(callInBackground('madvise', rig.page(1), 2 * PAGE, MADV_DONTNEED))
    expect(rig.uffd.poll(LIMIT_MS)).toBe(true)
    expect([copy(rig, 4), rig.uffd.bytesDone, rig.uffd.errno]).toEqual(['retry', 0, EAGAIN])
    expect(rig.uffd.zeropage(rig.page(4), PAGE, 0)).toBe('retry')
    expect(rig.uffd.wake(rig.page(4), PAGE)).toBe('done')
    const removed = { event: UFFD_EVENT_REMOVE, flags: 0, address: rig.page(1), end: rig.page(3) }
    expect(readMessages(rig.uffd)).toEqual([removed])
    expect(await settled(advised, 'madvise')).toBe(0)
    expect(copy(rig, 4)).toBe('done')
    expect(copy(rig, 2)).toBe('done') // it is missing again
  })

  it('of a range that is mapped over names the range', async () => {
    const rig = createRig({ features: UFFD_FEATURE_EVENT_UNMAP })
    const mapped = callInBackground('mmap', rig.page(6), 2 * PAGE, 0, MAP_FIXED_ANONYMOUS, -1, 0)
    expect(rig.uffd.poll(LIMIT_MS)).toBe(true)
    const expected = { event: UFFD_EVENT_UNMAP, flags: 0, address: rig.page(6), end: rig.page(8) }
    expect(readMessages(rig.uffd)).toEqual([expected])
    expect(await settled(rig.watch(mapped), 'mmap')).toBe(rig.page(6))
    expect(copy(rig, 5)).toBe('done')
  })
})
