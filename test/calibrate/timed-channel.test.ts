/** Times taken of a handler from outside. */
import { describe, expect, it } from 'vitest'
import type { BlockKind, RoundTripColumns } from '../../src/calibrate/round-trip/schedule.ts'
import { TimedChannel } from '../../src/calibrate/round-trip/timed-channel.ts'
import { monotonicNs } from '../../src/uffd/engine/clock.ts'
import type { FaultChannel } from '../../src/uffd/kernel.ts'

/** Answers `polls` in turn, and every copy. */
function channelOf(polls: readonly boolean[], kind: BlockKind): { timed: TimedChannel; columns: RoundTripColumns } {
  const answers = [...polls]
  const channel = { poll: () => answers.shift() ?? false, copy: () => 'done' } as unknown as FaultChannel
  const column = () => new Float64Array(2)
  const columns = {
    touchNs: column(),
    runNs: column(),
    foundNs: column(),
    installNs: column(),
    installedNs: column(),
    restNs: column(),
    touchCpu: column(),
    answerCpu: column(),
  }
  const timed = new TimedChannel(channel, columns)
  timed.kind = kind
  return { timed, columns }
}

describe('a timed channel', () => {
  it('takes the time before and after an install, and when the handler comes for the next message', () => {
    const { timed, columns } = channelOf([true, true, false], 'remote')
    const startNs = monotonicNs()
    expect(timed.poll(0)).toBe(true)
    expect(timed.copy(0, 0, 4096, 0)).toBe('done')
    expect(timed.faults).toBe(1)
    expect(timed.poll(0)).toBe(true)
    const [{ installNs, installedNs, restNs, foundNs }] = [columns]
    expect(installNs[0]).toBeGreaterThanOrEqual(startNs)
    expect(installedNs[0]).toBeGreaterThanOrEqual(installNs[0])
    expect(restNs[0]).toBeGreaterThanOrEqual(installedNs[0])
    expect(foundNs[0]).toBe(0)
    const firstRestNs = restNs[0]
    timed.poll(0)
    expect([restNs[0], restNs[1]]).toEqual([firstRestNs, 0])
  })

  it('spinning, looks until there is a message or time is up', () => {
    const { timed, columns } = channelOf([false, false, true], 'spinning')
    const startNs = monotonicNs()
    expect(timed.poll(1000)).toBe(true)
    expect(columns.foundNs[0]).toBeGreaterThanOrEqual(startNs)
    expect(columns.foundNs[0]).toBeLessThanOrEqual(monotonicNs())
    expect(channelOf([], 'spinning').timed.poll(1)).toBe(false)
  })

  it('pending, lets a message lie before it is polled for again', () => {
    const { timed, columns } = channelOf([true, true], 'pending')
    const startNs = monotonicNs()
    expect(timed.poll(0)).toBe(true)
    expect(columns.foundNs[0] - startNs).toBeGreaterThanOrEqual(40_000)
    expect(timed.poll(0)).toBe(false)
  })
})
