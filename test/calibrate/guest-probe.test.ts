/** First accesses of a real KVM guest to resident memory. */
import { median } from 'simple-statistics'
import { expect, it } from 'vitest'
import { GuestProbe, measureGuest, NEIGHBOUR_PAGES } from '../../src/calibrate/probes/guest-probe.ts'
import { kvmReason } from '../../src/uffd/kvm/vm.ts'
import { requireOrSkip } from '../support/availability.ts'

it('a guest probe times a first access, which is a fault, the same access again, which is none, and each neighbour', {
  tags: ['kvm'],
}, context => {
  requireOrSkip(context, kvmReason())
  const samples = new Map<string, number[]>()
  const probe = new GuestProbe()
  try {
    for (let run = 0; run < 3; run++) {
      probe.run((measure, ns) => samples.set(measure, [...(samples.get(measure) ?? []), ns]))
    }
  } finally {
    probe.close()
  }
  const neighbours = NEIGHBOUR_PAGES.map(distance => `guest neighbour ${distance}`)
  expect([...samples.keys()]).toEqual(['guest fault', 'guest mapped', ...neighbours])
  const [faults, ...others] = [...samples.values()].map(({ length }) => length)
  expect(faults).toBeGreaterThan(0)
  expect(new Set(others)).toEqual(new Set([faults]))
  expect(median(samples.get('guest fault')!)).toBeGreaterThan(2 * median(samples.get('guest mapped')!))
})

it('a host whose KVM does not run our guest is told apart by its reason', () => {
  const { samples, reason } = measureGuest(50)
  const expected = kvmReason()
  expect(reason).toBe(expected)
  expect(samples.size > 0).toBe(expected === null)
})
