/** A KVM guest's accesses worked out by hand from docs/model.md: the hypervisor maps resident memory once more. */
import { expect, test } from 'vitest'
import { layoutOfBits } from '../destination/layout-of-bits.ts'
import { COSTS as c, FIXED_NS, restore } from './worked-by-hand.ts'

const layout = layoutOfBits({ bits: '0000 0110' })
const fault =
  c.faultTrapNs +
  c.handlerWakeRemoteNs +
  (c.messageReadNs + c.readCallNs + c.read4kNs + c.copyCallNs + c.copyAnon4kNs + c.wakeCallRemoteNs) +
  c.vcpuWakeRemoteNs

test('a fault that was answered is over when the page is mapped for the guest', () => {
  const { stallNs, latency, minorFaults } = restore('lazy', layout, [[{ page: 5 }]], { guest: true })
  expect(stallNs).toEqual([fault + c.guestWakeNs + c.guestFaultNs])
  expect(latency).toEqual({ count: 1, mean: stallNs[0], max: stallNs[0] })
  expect(minorFaults).toBe(0)
})

test('one mapping covers what is resident of the window: of two neighbours that were loaded, the second costs nothing', () => {
  const { stallNs, workDoneNs, resumeNs } = restore('eager', layout, [[{ page: 5 }, { page: 6, think: 900 }]], {
    guest: true,
  })
  expect(stallNs).toEqual([c.guestFaultNs])
  expect(workDoneNs).toBe(resumeNs + c.guestFaultNs + 900)
})

test('what was installed after the mapping of its window has one of its own', () => {
  const accesses = [{ page: 5 }, { page: 6 }, { page: 5 }]
  const { stallNs, latency } = restore('lazy', layout, [accesses], { guest: true })
  expect(stallNs).toEqual([2 * (fault + c.guestWakeNs + c.guestFaultNs)])
  expect(latency.count).toBe(2)
})

test('a write to the shared zero page is copied and mapped anew', () => {
  const zero =
    c.faultTrapNs +
    c.handlerWakeRemoteNs +
    (c.messageReadNs + c.zeroCallNs + c.zeroAnon4kNs + c.wakeCallRemoteNs) +
    c.vcpuWakeRemoteNs
  const { stallNs, minorFaults } = restore('lazy', layout, [[{ page: 0, write: true }]], { guest: true })
  expect(stallNs).toEqual([zero + c.anonWriteFaultNs + 2 * c.guestFaultNs])
  expect(minorFaults).toBe(1)
})

test('a thread pays nothing of it', () => {
  const { stallNs, resumeNs } = restore('lazy', layout, [[{ page: 5 }]])
  expect([stallNs, resumeNs]).toEqual([[fault], c.registerNs + FIXED_NS])
})
