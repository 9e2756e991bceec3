import { writeSync } from 'node:fs'
import { constants } from 'node:os'
import { describe, expect, it, type TestContext } from 'vitest'
import { MIB } from '../../src/core/units.ts'
import { probe } from '../../src/uffd/availability.ts'
import {
  UFFD_FEATURE_WP_UNPOPULATED,
  UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
  UFFDIO_WRITEPROTECT_MODE_WP,
} from '../../src/uffd/constants.ts'
import { hugePageReason } from '../../src/uffd/huge-pages.ts'
import type { Outcome } from '../../src/uffd/kernel.ts'
import { requireForEach, requireOrSkip } from '../support/availability.ts'
import { reserveHugePages } from '../support/huge-pages.ts'
import { createRig, PAGE, type Rig, type RigOptions } from './support.ts'

const { EAGAIN, EBADF, EEXIST, EFAULT, EINVAL, ENOENT } = constants.errno
const MISSING = UFFDIO_REGISTER_MODE_MISSING
const HUGE = 2 * MIB

reserveHugePages(HUGE, 16)
requireForEach(() => probe().userfaultfd)

/** Outcome, bytes done and errno of the call that was just made. */
function answer({ uffd }: Rig, outcome: Outcome): [Outcome, number, number] {
  return [outcome, uffd.bytesDone, uffd.errno]
}

const done = (bytes: number): [Outcome, number, number] => ['done', bytes, 0]
const failed = (errno: number): [Outcome, number, number] => ['failed', 0, errno]
const exists: [Outcome, number, number] = ['exists', 0, EEXIST]

function hugeRig(context: TestContext, options: RigOptions = {}): Rig {
  requireOrSkip(context, hugePageReason(HUGE, 4))
  return createRig({ kind: 'hugetlb', hostPageSize: HUGE, pages: 2, ...options })
}

describe.each([
  ['anon', false],
  ['shmem', true],
  ['shmem', false],
] as const)('copy to %s memory, shared: %s', (kind, shared) => {
  const rigOf = () => createRig({ kind, shared })
  const copy = (rig: Rig, page: number, pages = 1) =>
    answer(rig, rig.uffd.copy(rig.page(page), rig.source.address + page * PAGE, pages * PAGE, 0))

  it('installs all of it', () => {
    const rig = rigOf()
    expect(copy(rig, 0, 8)).toEqual(done(8 * PAGE))
    expect(rig.region.resident.compare(rig.region.address, rig.source.view(0, 8 * PAGE))).toBeNull()
  })

  it('stops at a page that is there, and says so behind the bytes that were done', () => {
    const rig = rigOf()
    expect(copy(rig, 2)).toEqual(done(PAGE))
    expect(copy(rig, 0, 4)).toEqual(['partial', 2 * PAGE, EAGAIN])
    expect(copy(rig, 2, 2)).toEqual(exists)
    expect(copy(rig, 3)).toEqual(done(PAGE))
  })

  it('leaves no trace of one call in the next', () => {
    const rig = rigOf()
    expect(copy(rig, 0, 2)).toEqual(done(2 * PAGE))
    expect(answer(rig, rig.uffd.copy(rig.page(0) + 1, rig.source.address, PAGE, 0))).toEqual(failed(EINVAL))
    expect(answer(rig, rig.uffd.wake(rig.page(0), PAGE))).toEqual(done(0))
  })

  it('fails where nothing is registered', () => {
    const rig = rigOf()
    rig.uffd.unregister(rig.page(4), PAGE)
    expect(copy(rig, 4)).toEqual(failed(ENOENT))
    expect(copy(rig, 3, 2)).toEqual(failed(ENOENT))
    expect(answer(rig, rig.uffd.copy(rig.sink.address, rig.source.address, PAGE, 0))).toEqual(failed(ENOENT))
  })

  it('fails for a source that is not there, and for what is unaligned', () => {
    const rig = rigOf()
    const { uffd, source } = rig
    expect(answer(rig, uffd.copy(rig.page(0), source.address - PAGE, PAGE, 0))).toEqual(failed(EFAULT))
    expect(answer(rig, uffd.copy(rig.page(0), source.address, PAGE - 1, 0))).toEqual(failed(EINVAL))
    expect(answer(rig, uffd.copy(rig.page(0), source.address, 0, 0))).toEqual(failed(EINVAL))
    expect(answer(rig, uffd.copy(rig.page(0), source.address, PAGE, 64))).toEqual(failed(EINVAL))
    expect(answer(rig, uffd.copy(rig.page(0), source.address + 5, PAGE, 0))).toEqual(done(PAGE))
  })

  it('fails when closed', () => {
    const rig = rigOf()
    rig.uffd.close()
    expect(copy(rig, 0)).toEqual(failed(EBADF))
  })

  it('is not done twice for a page of zeros', () => {
    const rig = rigOf()
    expect(answer(rig, rig.uffd.zeropage(rig.page(1), 2 * PAGE, 0))).toEqual(done(2 * PAGE))
    expect(answer(rig, rig.uffd.zeropage(rig.page(0), 4 * PAGE, 0))).toEqual(['partial', PAGE, EAGAIN])
    expect(answer(rig, rig.uffd.zeropage(rig.page(1), PAGE, 0))).toEqual(exists)
    expect(copy(rig, 1)).toEqual(exists)
    expect(rig.region.resident.compare(rig.page(0), new Uint8Array(3 * PAGE))).toBeNull()
  })
})

describe('huge pages', () => {
  it.for([true, false])('are installed by copy only; shared: %s', (shared, context) => {
    const rig = hugeRig(context, { shared })
    const { uffd, source } = rig
    expect(answer(rig, uffd.zeropage(rig.page(0), HUGE, 0))).toEqual(failed(EINVAL))
    expect(answer(rig, uffd.copy(rig.page(0), source.address, PAGE, 0))).toEqual(failed(EINVAL))
    expect(answer(rig, uffd.copy(rig.page(1), source.address + HUGE, HUGE, 0))).toEqual(done(HUGE))
    expect(answer(rig, uffd.copy(rig.page(0), source.address, 2 * HUGE, 0))).toEqual(['partial', HUGE, EAGAIN])
    expect(answer(rig, uffd.copy(rig.page(0), source.address, HUGE, 0))).toEqual(exists)
    expect(rig.region.resident.compare(rig.page(0), source.view(0, 2 * HUGE))).toBeNull()
  })

  it('are poisoned whole', context => {
    const rig = hugeRig(context)
    expect(answer(rig, rig.uffd.poison(rig.page(0), PAGE, 0))).toEqual(failed(EINVAL))
    expect(answer(rig, rig.uffd.poison(rig.page(0), HUGE, 0))).toEqual(done(HUGE))
  })
})

describe('continue', () => {
  it('maps what the page cache has, and nothing else', () => {
    const rig = createRig({ kind: 'shmem', mode: MISSING | UFFDIO_REGISTER_MODE_MINOR })
    writeSync(rig.region.descriptor, rig.source.view(0, 2 * PAGE), 0, 2 * PAGE, PAGE)
    expect(answer(rig, rig.uffd.continue(rig.page(0), PAGE, 0))).toEqual(failed(EFAULT))
    expect(answer(rig, rig.uffd.continue(rig.page(1), 4 * PAGE, 0))).toEqual(['partial', 2 * PAGE, EAGAIN])
    expect(answer(rig, rig.uffd.continue(rig.page(1), PAGE, 0))).toEqual(exists)
    expect(rig.region.resident.compare(rig.page(1), rig.source.view(0, 2 * PAGE))).toBeNull()
  })

  it('is not for anonymous memory', () => {
    const rig = createRig()
    expect(answer(rig, rig.uffd.continue(rig.page(0), PAGE, 0))).toEqual(failed(EINVAL))
  })
})

describe('move', () => {
  it('takes pages from one place to another', () => {
    const rig = createRig()
    const { uffd, source, region } = rig
    const wanted = Uint8Array.from(source.view(0, 2 * PAGE))
    expect(answer(rig, uffd.move(rig.page(0), source.address, 2 * PAGE, 0))).toEqual(done(2 * PAGE))
    expect(region.resident.compare(rig.page(0), wanted)).toBeNull()
    expect(answer(rig, uffd.move(rig.page(0), source.address + 2 * PAGE, PAGE, 0))).toEqual(exists)
  })

  it('stops at a hole in the source, or counts it as moved', () => {
    const rig = createRig()
    const { uffd, source } = rig
    uffd.move(rig.page(7), source.address + 2 * PAGE, PAGE, 0)
    expect(answer(rig, uffd.move(rig.page(0), source.address, 4 * PAGE, 0))).toEqual(['partial', 2 * PAGE, EAGAIN])
    expect(answer(rig, uffd.move(rig.page(2), source.address + 2 * PAGE, PAGE, 0))).toEqual(failed(ENOENT))
    const holes = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES
    expect(answer(rig, uffd.move(rig.page(2), source.address + 2 * PAGE, 2 * PAGE, holes))).toEqual(done(2 * PAGE))
    expect(rig.region.resident.read(rig.page(2), new Uint8Array(PAGE))).toBe(0)
  })

  it('is refused for shared memory, although it is offered', () => {
    const rig = createRig({ kind: 'shmem' })
    expect(answer(rig, rig.uffd.move(rig.page(0), rig.source.address, PAGE, 0))).toEqual(failed(EINVAL))
  })
})

describe('poison', () => {
  it('marks a page that is not there, once', () => {
    const rig = createRig()
    rig.uffd.zeropage(rig.page(2), PAGE, 0)
    expect(answer(rig, rig.uffd.poison(rig.page(0), 4 * PAGE, 0))).toEqual(['partial', 2 * PAGE, EAGAIN])
    expect(answer(rig, rig.uffd.poison(rig.page(0), PAGE, 0))).toEqual(exists)
    expect(answer(rig, rig.uffd.zeropage(rig.page(0), PAGE, 0))).toEqual(exists)
    expect(rig.region.resident.read(rig.page(0), new Uint8Array(PAGE))).toBe(0)
  })
})

describe('writeprotect', () => {
  const WP = UFFDIO_WRITEPROTECT_MODE_WP

  it('goes on and off where it is registered', () => {
    const rig = createRig({ mode: MISSING | UFFDIO_REGISTER_MODE_WP, features: UFFD_FEATURE_WP_UNPOPULATED })
    expect(answer(rig, rig.uffd.writeprotect(rig.page(0), 8 * PAGE, WP))).toEqual(done(0))
    expect(answer(rig, rig.uffd.writeprotect(rig.page(0), 8 * PAGE, 0))).toEqual(done(0))
  })

  it('is refused elsewhere, and with modes that do not go together', () => {
    const rig = createRig()
    expect(answer(rig, rig.uffd.writeprotect(rig.page(0), PAGE, WP))).toEqual(failed(ENOENT))
    const both = WP | UFFDIO_WRITEPROTECT_MODE_DONTWAKE
    expect(answer(rig, rig.uffd.writeprotect(rig.page(0), PAGE, both))).toEqual(failed(EINVAL))
  })
})

describe('wake', () => {
  it('goes well wherever there is a range', () => {
    const rig = createRig()
    expect(answer(rig, rig.uffd.wake(rig.page(0), 8 * PAGE))).toEqual(done(0))
    expect(answer(rig, rig.uffd.wake(2 ** 46, PAGE))).toEqual(done(0))
    expect(answer(rig, rig.uffd.wake(rig.page(0), 0))).toEqual(failed(EINVAL))
  })
})
