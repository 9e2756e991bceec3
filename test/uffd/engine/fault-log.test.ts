import { describe, expect, it } from 'vitest'
import { parseHostPages } from '../../../src/destination/host-pages.ts'
import { createLayout } from '../../../src/destination/layout.ts'
import { openSynthetic } from '../../../src/snapshot/synthetic.ts'
import { UFFD_PAGEFAULT_FLAG_WRITE } from '../../../src/uffd/constants.ts'
import { AddressMap } from '../../../src/uffd/engine/address-map.ts'
import { FaultLog, type HandlerFaults, mergeFaults } from '../../../src/uffd/engine/fault-log.ts'

const START = 0x7f00_0000_0000
const layout = createLayout(openSynthetic('synthetic:16MiB'), parseHostPages('2M'))
const map = new AddressMap(layout, [START])

describe('the log of a handler', () => {
  it('has the target page of an address, and whether it was a write', () => {
    const log = new FaultLog(map, 4)
    log.asked(0, START, 0)
    log.asked(2, START + 4 * 2 ** 20 + 5 * 4096 + 17, UFFD_PAGEFAULT_FLAG_WRITE)
    log.answered()
    log.answered()
    const { page, isWrite, lost } = log.faults
    expect({ page: [...page], isWrite: [...isWrite], lost }).toEqual({ page: [0, 1029], isWrite: [0, 1], lost: 0 })
  })

  it('gives an answer to the fault that has waited longest, and leaves out what has none', () => {
    const log = new FaultLog(map, 4)
    for (const hostPage of [3, 1]) log.asked(hostPage, map.addressOf(hostPage), 0)
    log.answered()
    const { page, askedNs, answeredNs } = log.faults
    expect([...page]).toEqual([3 * 512])
    expect(answeredNs[0]).toBeGreaterThanOrEqual(askedNs[0])
  })

  it('counts what it has no room for, and keeps the rest in order', () => {
    const log = new FaultLog(map, 2)
    for (const hostPage of [5, 4, 3]) log.asked(hostPage, map.addressOf(hostPage), 0)
    for (let i = 0; i < 3; i++) log.answered()
    const { page, lost } = log.faults
    expect({ page: [...page], lost }).toEqual({ page: [5 * 512, 4 * 512], lost: 1 })
  })
})

describe('the faults of several handlers', () => {
  const handler = (...answers: [page: number, answeredNs: number][]): HandlerFaults => ({
    page: Uint32Array.from(answers, ([page]) => page),
    isWrite: new Uint8Array(answers.length),
    askedNs: Float64Array.from(answers, ([, ns]) => ns - 1),
    answeredNs: Float64Array.from(answers, ([, ns]) => ns),
    lost: 0,
  })

  it('are merged by the time of their answers, which counts from the origin', () => {
    const merged = mergeFaults([handler([1, 110], [4, 140]), handler(), handler([2, 120], [3, 130])], 100)
    expect([...merged.page]).toEqual([1, 2, 3, 4])
    expect([...merged.answeredNs]).toEqual([10, 20, 30, 40])
    expect([...merged.askedNs]).toEqual([9, 19, 29, 39])
  })

  it('are none of no handlers', () => {
    expect(mergeFaults([], 0).page).toHaveLength(0)
  })
})
