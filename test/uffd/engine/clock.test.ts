/** The clock is the kernel's, by code of ours and without; and to look at it leaves nothing behind. */
import { expect, it } from 'vitest'
import { clockCode, monotonicNs, nativeClock, portableClock } from '../../../src/uffd/engine/clock.ts'
import { nativeReason } from '../../../src/uffd/native.ts'
import { requireOrSkip } from '../../support/availability.ts'
import { expectAssembled } from '../gnu-assembler.ts'

const LOOKS = 20_000

it("the clock's code is what the GNU assembler makes of the instructions beside it", context => {
  expectAssembled(context, clockCode(0x7f12_3456_7890, 0x7f98_7654_3210))
})

it.for([
  ['code of ours', nativeClock, 0],
  // Where the thread's origin lies is known to half of what two looks at the kernel's clock took.
  ['performance.now()', portableClock, 100_000],
] as const)('%s tells CLOCK_MONOTONIC, and never goes back', ([name, clock, toleranceNs], context) => {
  if (clock === nativeClock) requireNative(context)
  const result = new Float64Array(new ArrayBuffer(8))
  const look = clock(result)
  expect(look, name).not.toBeNull()
  let last = 0
  for (let i = 0; i < 1_000; i++) {
    const before = Number(process.hrtime.bigint())
    look!()
    const [ns] = result
    expect(ns).toBeGreaterThanOrEqual(Math.max(last, before - toleranceNs))
    expect(ns).toBeLessThanOrEqual(Number(process.hrtime.bigint()) + toleranceNs)
    last = ns
  }
})

it('leaves nothing on the heap', context => {
  requireNative(context)
  const grown = Array.from({ length: 40 }, () => {
    const before = process.memoryUsage().heapUsed
    lookOften(monotonicNs)
    return process.memoryUsage().heapUsed - before
  })
  // The later ones, as by then the loop is compiled. performance.now() leaves 16 bytes a look.
  expect(grown.slice(-9).sort((a, b) => a - b)[4]).toBeLessThan(4 * LOOKS)
})

/** With variables of its own: a fraction that a closure changes is on the heap. */
function lookOften(clock: () => number): number {
  let last = 0
  for (let i = 0; i < LOOKS; i++) last = Math.max(last, clock())
  return last
}

function requireNative(context: Parameters<typeof requireOrSkip>[0]): void {
  requireOrSkip(context, nativeReason())
  if (process.arch !== 'x64') context.skip('the code is for x86-64')
}
