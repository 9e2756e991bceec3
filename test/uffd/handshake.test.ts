import { constants } from 'node:os'
import { describe, expect, it, onTestFinished } from 'vitest'
import { GIB, MIB } from '../../src/core/units.ts'
import { probe } from '../../src/uffd/availability.ts'
import {
  UFFD_FEATURE_EVENT_REMOVE,
  UFFD_FEATURE_POISON,
  UFFD_FEATURE_THREAD_ID,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
} from '../../src/uffd/constants.ts'
import { hugePageReason } from '../../src/uffd/huge-pages.ts'
import { Userfaultfd } from '../../src/uffd/userfaultfd.ts'
import { requireForEach, requireOrSkip } from '../support/availability.ts'
import { reserveHugePages } from '../support/huge-pages.ts'
import { createRig, messages, PAGE } from './support.ts'

const { EBADF, EBUSY, EINVAL, EIO } = constants.errno
const MISSING = UFFDIO_REGISTER_MODE_MISSING
const WP = UFFDIO_REGISTER_MODE_WP
const MINOR = UFFDIO_REGISTER_MODE_MINOR

reserveHugePages(2 * MIB, 8)
reserveHugePages(GIB, 1)
requireForEach(() => probe().userfaultfd)

function open(): Userfaultfd {
  const uffd = Userfaultfd.open()
  onTestFinished(() => uffd.close())
  return uffd
}

describe('api', () => {
  it('answers the features of this kernel, once', () => {
    const uffd = open()
    expect(uffd.api(UFFD_FEATURE_THREAD_ID)).toBe('done')
    expect(uffd.errno).toBe(0)
    expect(uffd.features & UFFD_FEATURE_EVENT_REMOVE).not.toBe(0)
    expect([uffd.api(0), uffd.errno]).toEqual(['failed', EINVAL])
    expect(uffd.features & UFFD_FEATURE_EVENT_REMOVE).not.toBe(0)
  })

  it('refuses an unknown feature and may then be asked again', () => {
    const uffd = open()
    expect([uffd.api(2 ** 40), uffd.errno]).toEqual(['failed', EINVAL])
    expect(uffd.api(0)).toBe('done')
  })

  it('comes before everything else', () => {
    const uffd = open()
    expect([uffd.register(0x10000, PAGE, MISSING), uffd.errno]).toEqual(['failed', EINVAL])
    expect([uffd.wake(0x10000, PAGE), uffd.errno]).toEqual(['failed', EINVAL])
    expect([uffd.read(messages), uffd.errno]).toEqual([0, EINVAL])
    expect([uffd.poll(1000), uffd.errno]).toEqual([false, EIO])
  })

  it('is done on a descriptor that is taken over by number, and is not repeated', () => {
    const uffd = open()
    uffd.api(0)
    const same = Userfaultfd.fromDescriptor(uffd.descriptor)
    expect([same.api(0), same.errno]).toEqual(['failed', EINVAL])
    expect(same.wake(0x10000, PAGE)).toBe('done')
  })

  it('needs a descriptor', () => {
    expect(() => Userfaultfd.fromDescriptor(987654)).toThrow(/descriptor 987654: found nothing open, expected a/)
    expect(() => Userfaultfd.fromDescriptor(0)).toThrow(/descriptor 0: found .*, expected a userfaultfd/)
    const uffd = open()
    uffd.close()
    uffd.close()
    expect([uffd.descriptor, uffd.counters.total]).toEqual([-1, 0])
    expect([uffd.api(0), uffd.errno]).toEqual(['failed', EBADF])
    expect([uffd.poll(1000), uffd.errno]).toEqual([false, EBADF])
    expect([uffd.read(messages), uffd.errno]).toEqual([0, EBADF])
  })
})

/** The ioctls that each memory offers for each mode; null: the mode is refused. Modes: MISSING, WP, MINOR, and their sums. */
const ANON = [0x13c, 0x17c, null, 0x17c, null, null, null]
const SHMEM = [0x13c, 0x17c, 0x1bc, 0x17c, 0x1bc, 0x1fc, 0x1fc]
const HUGETLB = [0x10c, 0x14c, 0x18c, 0x14c, 0x18c, 0x1cc, 0x1cc]
const MODES = [MISSING, WP, MINOR, MISSING | WP, MISSING | MINOR, WP | MINOR, MISSING | WP | MINOR]

describe('register', () => {
  it.for([
    ['anon', PAGE, false, ANON],
    ['shmem', PAGE, true, SHMEM],
    ['shmem', PAGE, false, SHMEM],
    ['hugetlb', 2 * MIB, true, HUGETLB],
    ['hugetlb', 2 * MIB, false, HUGETLB],
    ['hugetlb', GIB, true, HUGETLB],
  ] as const)('of %s memory of %d bytes a page, shared: %s, offers what that memory can', (row, context) => {
    const [kind, hostPageSize, shared, masks] = row
    const reason = kind === 'hugetlb' ? hugePageReason(hostPageSize, 1) : null
    if (hostPageSize === GIB && reason !== null) context.skip(reason) // a host that runs has rarely 1 GiB in one piece
    requireOrSkip(context, reason)
    const { uffd, region } = createRig({ kind, hostPageSize, shared, pages: 1, mode: null })
    const found = MODES.map(mode => {
      const outcome = uffd.register(region.address, region.byteLength, mode)
      const answer = outcome === 'done' ? uffd.ioctls : uffd.errno
      if (outcome === 'done') expect(uffd.unregister(region.address, region.byteLength)).toBe('done')
      return answer
    })
    expect(found).toEqual(masks.map(mask => mask ?? EINVAL))
  })

  it.each([
    ['no mode', 0, PAGE, 0],
    ['an unknown mode', 0, PAGE, 128],
    ['an unaligned start', 1, PAGE, MISSING],
    ['an unaligned length', 0, PAGE + 1, MISSING],
    ['nothing', 0, 0, MISSING],
  ])('refuses %s', (_what, offset, length, mode) => {
    const { uffd, region } = createRig({ mode: null })
    expect([uffd.register(region.address + offset, length, mode), uffd.errno]).toEqual(['failed', EINVAL])
  })

  it('refuses memory that another one has', () => {
    const { region } = createRig()
    const other = open()
    other.api(0)
    expect([other.register(region.address, region.byteLength, MISSING), other.errno]).toEqual(['failed', EBUSY])
  })

  it('of a hugetlb range must cover whole huge pages', context => {
    requireOrSkip(context, hugePageReason(2 * MIB, 1))
    const { uffd, region } = createRig({ kind: 'hugetlb', hostPageSize: 2 * MIB, pages: 1, mode: null })
    expect([uffd.register(region.address, PAGE, MISSING), uffd.errno]).toEqual(['failed', EINVAL])
  })
})

describe('features', () => {
  it('say what this kernel can, whatever was asked for', () => {
    const uffd = open()
    uffd.api(0)
    expect(uffd.features & UFFD_FEATURE_POISON).toBe(UFFD_FEATURE_POISON)
  })
})
