/** What can be made to go wrong in the model kernel, one injection a test; each ends, and with the right memory. */
import { constants } from 'node:os'
import { describe, expect, it } from 'vitest'
import { UFFD_EVENT_REMOVE, UFFD_FEATURE_EVENT_REMOVE } from '../../../src/uffd/constants.ts'
import { createModelRig, HUGE, type ModelRig, PAGE, readAll, resolveAll } from './support.ts'

const { EAGAIN, EEXIST, EINTR, ENOMEM } = constants.errno

function touchAll({ vm, memory, page }: ModelRig) {
  const count = memory.byteLength / memory.hostPageSize
  return Array.from({ length: count }, (_, i) => {
    const thread = vm.createThread()
    vm.touch(thread, page(i), { write: false })
    return thread
  })
}

describe('an injection', () => {
  it('of retries: range operations stay EAGAIN that often after the event was read, and never longer', () => {
    const { vm, channel, page, source } = createModelRig({
      features: UFFD_FEATURE_EVENT_REMOVE,
      injection: { retriesAfterEvent: 5 },
    })
    expect(vm.madvise(vm.createThread(), page(0), PAGE, 'dontneed')).toBe('blocked')
    for (let i = 0; i < 100; i++) expect(channel.copy(page(1), source, PAGE, 0)).toBe('retry')
    expect(readAll(channel)).toEqual([{ event: UFFD_EVENT_REMOVE, flags: 0, address: page(0), end: page(1) }])
    for (let i = 0; i < 5; i++) {
      expect([channel.copy(page(1), source, PAGE, 0), channel.errno, channel.bytesDone]).toEqual(['retry', EAGAIN, 0])
    }
    expect(channel.copy(page(1), source, PAGE, 0)).toBe('done')
  })

  it('of races: the page is there first, with the same bytes, and its waiter sleeps until it is woken', () => {
    const rig = createModelRig({ injection: { races: 2 } })
    const { vm, channel, page, source, memory } = rig
    const vcpu = vm.createThread()
    vm.touch(vcpu, page(0), { write: false })
    expect([channel.copy(page(0), source, PAGE, 0), channel.errno]).toEqual(['exists', EEXIST])
    expect(vcpu.blocked).toBe(true)
    expect(memory.bytes(0, 1)).toEqual(Uint8Array.of(1))
    channel.wake(page(0), PAGE)
    expect(vcpu.value).toBe(1)
    const others = touchAll(rig)
    expect(resolveAll(rig)).toBe(7)
    expect(others.map(({ value }) => value)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('of a partial copy: that many pages, and waiters of those alone', () => {
    const rig = createModelRig({ injection: { pagesPerCall: 3 } })
    const { channel, page, source } = rig
    const threads = touchAll(rig)
    expect([channel.copy(page(0), source, 8 * PAGE, 0), channel.bytesDone]).toEqual(['partial', 3 * PAGE])
    expect(threads.map(({ blocked }) => blocked)).toEqual([false, false, false, true, true, true, true, true])
    expect([channel.copy(page(3), source, 3 * PAGE, 0), channel.bytesDone]).toEqual(['done', 3 * PAGE])
  })

  it('of no memory: ENOMEM until some is given back', () => {
    const { kernel, channel, page, source } = createModelRig({ injection: { smallPages: 1 } })
    expect([channel.copy(page(0), source, 2 * PAGE, 0), channel.bytesDone]).toEqual(['partial', PAGE])
    expect([channel.copy(page(1), source, PAGE, 0), channel.errno]).toEqual(['failed', ENOMEM])
    kernel.smallPages.free = 1
    expect(channel.copy(page(1), source, PAGE, 0)).toBe('done')
  })

  it.each([
    ['6.12', 'failed', ENOMEM],
    ['6.18', 'exists', EEXIST],
    ['7.3', 'exists', EEXIST],
  ] as const)('of an empty pool of huge pages: on %s COPY is %s', (profile, outcome, errno) => {
    const { channel, page, source, memory } = createModelRig({
      profile,
      kind: 'hugetlb',
      hostPageSize: HUGE,
      pages: 1,
      injection: { hugePages: 0 },
    })
    expect([channel.copy(page(0), source, HUGE, 0), channel.errno]).toEqual([outcome, errno])
    expect(memory.isPresent(0)).toBe(false)
  })

  it('of disturbances: a message more each time, one waiter all along', () => {
    const { vm, channel, page } = createModelRig({ injection: { disturbances: 50 } })
    vm.touch(vm.createThread(), page(0), { write: false })
    let messages = 0
    while (channel.poll(0)) {
      messages += readAll(channel).length
      expect(channel.counters.total).toBe(1)
    }
    expect(messages).toBe(51)
  })

  it('of empty reads: poll says there is something, read finds nothing', () => {
    const { vm, channel, page } = createModelRig({ injection: { emptyReads: 1 } })
    vm.touch(vm.createThread(), page(0), { write: false })
    expect(channel.poll(0)).toBe(true)
    expect([readAll(channel), channel.errno]).toEqual([[], EAGAIN])
    expect(readAll(channel)).toHaveLength(1)
  })

  it('of interrupted polls: EINTR, although there is a message', () => {
    const rig = createModelRig({ injection: { interruptedPolls: 2 } })
    const [first] = touchAll(rig)
    expect([rig.channel.poll(0), rig.channel.errno]).toEqual([false, EINTR])
    resolveAll(rig)
    expect(first.ending).toBe('ok')
  })

  it.each([
    ['6.12', 'done'],
    ['7.3', 'retry'],
  ] as const)('of a replaced area: %s answers %s, with no event to be read', (profile, outcome) => {
    const { channel, page, source } = createModelRig({ profile, injection: { replacedAreas: 1 } })
    expect(channel.copy(page(0), source, PAGE, 0)).toBe(outcome)
    expect(channel.poll(0)).toBe(false)
    expect(channel.copy(page(1), source, PAGE, 0)).toBe('done')
  })

  it('that is no count is refused', () => {
    expect(() => createModelRig({ injection: { races: -1 } })).toThrow(
      'injection races: found -1, expected a whole number',
    )
  })
})

describe('without an injection', () => {
  it('a page that was removed is missing again, and zero if nobody provides it', () => {
    const rig = createModelRig({ features: UFFD_FEATURE_EVENT_REMOVE })
    const { vm, channel, page, source, memory } = rig
    channel.copy(page(0), source, 2 * PAGE, 0)
    const remover = vm.createThread()
    vm.madvise(remover, page(0), PAGE, 'dontneed')
    expect(memory.bytes(0, 1)).toEqual(Uint8Array.of(1))
    readAll(channel)
    expect(channel.poll(0)).toBe(false) // time passes
    expect([remover.ending, memory.isPresent(0), memory.isPresent(PAGE)]).toEqual(['ok', false, true])
    const vcpu = vm.createThread()
    expect(vm.touch(vcpu, page(0), { write: false })).toBe('blocked')
    expect(channel.zeropage(page(0), PAGE, 0)).toBe('done')
    expect(vcpu.value).toBe(0)
  })

  it('a message that another handler resolves first is gone', () => {
    const { vm, kernel, channel, page, source } = createModelRig()
    const other = kernel.createUserfaultfd(vm)
    other.api(0)
    const vcpu = vm.createThread()
    vm.touch(vcpu, page(0), { write: false })
    expect(other.copy(page(0), source, PAGE, 0)).toBe('done')
    expect(vcpu.blocked).toBe(true) // another userfaultfd's COPY wakes nobody
    channel.wake(page(0), PAGE)
    expect([vcpu.value, readAll(channel)]).toEqual([1, []])
  })

  it('the death of the handler lets everybody go on, with zeros', () => {
    const rig = createModelRig()
    const threads = touchAll(rig)
    rig.channel.close()
    expect(threads.map(({ ending, value }) => [ending, value])).toEqual(Array(8).fill(['ok', 0]))
  })
})
