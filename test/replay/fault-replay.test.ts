/** What a replay answers when, what it refuses, and what it takes in memory. */
import { describe, expect, it } from 'vitest'
import { parseSpec } from '../../src/core/spec-string.ts'
import { parseHostPages } from '../../src/destination/host-pages.ts'
import { createLayout } from '../../src/destination/layout.ts'
import type { AccessBatch } from '../../src/replay/access-batch.ts'
import { ANSWER_MINOR, ANSWER_RESIDENT } from '../../src/replay/answers.ts'
import { FaultReplay, type ReplayOptions } from '../../src/replay/fault-replay.ts'
import { sharedReplayBytes } from '../../src/replay/session-bytes.ts'
import { OP_COPY } from '../../src/resolver/resolver.ts'
import { DEFAULT_HOST_PROFILE } from '../../src/sim/host-profile.ts'
import { createSimEngine } from '../../src/sim/sim-engine.ts'
import { openSynthetic } from '../../src/snapshot/synthetic.ts'
import { parseStorage } from '../../src/storage/device.ts'
import { memoryOfSnapshot } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'
import { ACCESS_WRITE } from '../../src/workload/workload.ts'
import { collectGarbage } from '../support/collect-garbage.ts'
import { batchOf } from './schedule.ts'

const snapshot = openSynthetic('synthetic:64MiB,zero=0%,seed=1')
const layout = createLayout(snapshot, parseHostPages('4K'))
const PAGES = layout.targetPageCount

function replayOf(options: Partial<ReplayOptions> = {}): FaultReplay {
  const common = { layout, policy: 'lazy', storage: 'nvme', profile: DEFAULT_HOST_PROFILE, vcpus: 1, seed: 1 }
  return new FaultReplay({ ...common, ...options })
}

function batch(...accesses: readonly (readonly [vcpu: number, page: number])[]): AccessBatch {
  return {
    length: accesses.length,
    page: Uint32Array.from(accesses, ([, page]) => page),
    vcpu: Uint16Array.from(accesses, ([vcpu]) => vcpu),
    thinkNs: new Uint32Array(accesses.length).fill(1000),
    flags: new Uint8Array(accesses.length),
  }
}

describe('a replay of one vCPU', () => {
  it('answers a batch in the call that brings it', () => {
    const { access, op, latencyNs, pending, installed } = replayOf().access(batch([0, 5], [0, 7]))
    expect([...access]).toEqual([0, 1])
    expect([...op]).toEqual([OP_COPY, OP_COPY])
    expect(Math.min(...latencyNs)).toBeGreaterThan(10_000)
    expect(pending).toBe(0)
    expect([...installed.first]).toEqual([5, 7])
    expect([...installed.count]).toEqual([1, 1])
  })

  it('answers accesses to resident pages at once, and keeps their think time for the access that comes', () => {
    const replay = replayOf()
    const { nowNs } = replay.access(batch([0, 5]))
    const answers = replay.access(batch([0, 5], [0, 5]))
    expect([...answers.access]).toEqual([1, 2])
    expect([...answers.op]).toEqual([ANSWER_RESIDENT, ANSWER_RESIDENT])
    expect(answers.nowNs).toBe(nowNs)
    const alone = 1000 / DEFAULT_HOST_PROFILE.parameters.threadAlonePerMille.value
    expect(replay.end().nowNs).toBeCloseTo(nowNs + 2 * 1000 * alone, 3)
  })

  it('tells a write that the kernel resolves alone from one that waits', () => {
    const zeros = createLayout(openSynthetic('synthetic:1MiB,zero=100%'), parseHostPages('4K'))
    const replay = replayOf({ layout: zeros })
    replay.access(batch([0, 5]))
    const { op, latencyNs } = replay.access({ ...batch([0, 5]), flags: Uint8Array.of(ACCESS_WRITE) })
    expect([...op]).toEqual([ANSWER_MINOR])
    expect(latencyNs[0]).toBeGreaterThanOrEqual(DEFAULT_HOST_PROFILE.parameters.anonWriteFaultNs.value)
  })

  it('takes a batch of any length, and answers each access of it once', () => {
    const workload = createWorkload('zipf:accesses=20000', memoryOfSnapshot(snapshot), 3)
    const all = Array.from(workload.page.keys())
    const { access } = replayOf().access(
      batchOf(
        workload,
        all.map(each => [0, each]),
      ),
    )
    expect([...access].sort((a, b) => a - b)).toEqual(all)
  })
})

describe('a replay of two vCPUs', () => {
  it('answers nothing that may depend on an access that is not known', () => {
    const replay = replayOf({ vcpus: 2 })
    const first = replay.access(batch([1, 5], [1, 6]))
    expect([...first.access]).toEqual([])
    expect(first.pending).toBe(2)
    expect(replay.state().heldVcpu).toBe(0)
    const second = replay.access(batch([0, 5]))
    // One install wakes both, vCPU 0 first: what it does next comes before the other's access.
    expect([...second.access]).toEqual([2])
    expect([...second.installed.first]).toEqual([5])
    expect(second.pending).toBe(2)
    const third = replay.end(0)
    expect([...third.access]).toEqual([0, 1])
    expect(replay.state().heldVcpu).toBe(1)
  })
})

describe('a replay', () => {
  it('begins with the first access, so that one who looks before sees memory as it was', () => {
    const replay = replayOf({ policy: 'eager' })
    replay.access(batch())
    expect(replay.state()).toMatchObject({ nowNs: 0, resumeNs: null, residentBytes: 0, heldVcpu: null })
    replay.access(batch([0, 5]))
    expect(replay.state()).toMatchObject({ residentBytes: layout.byteLength, heldVcpu: 0, answered: 1 })
    expect(replay.state().resumeNs).toBeGreaterThan(0)
  })

  it('reports before its end as if it ended there, and goes on', async () => {
    const workload = createWorkload('uniform:accesses=500,vcpus=2', memoryOfSnapshot(snapshot), 3)
    const replay = replayOf({ policy: 'lazy-sweep', vcpus: 2, name: workload.name })
    const half = workload.starts[1]
    replay.access(
      batchOf(
        workload,
        Array.from({ length: half }, (_, access) => [0, access]),
      ),
    )
    const rest = Array.from({ length: workload.page.length - half }, (_, i) => [1, half + i] as const)
    replay.access(batchOf(workload, rest))
    const before = replay.state()
    const request = { layout, policy: parseSpec('lazy-sweep'), workload, storage: parseStorage('nvme') }
    const result = await createSimEngine().restore({ ...request, workingSet: null, seed: 1, fixedNs: 0 })
    expect(replay.result()).toEqual(result)
    expect(replay.state()).toEqual(before)
  })

  it('forks to where it is, and goes on by another policy if that is said', () => {
    const replay = replayOf()
    for (const page of [5, 900, 6]) replay.access(batch([0, page]))
    const fork = replay.fork('read-around')
    expect(fork.state()).toEqual(replay.state())
    expect([...fork.access(batch([0, 905])).op]).toEqual([OP_COPY])
    expect([...fork.access(batch([0, 906])).op]).toEqual([ANSWER_RESIDENT])
    expect([...replay.access(batch([0, 905], [0, 906])).op]).toEqual([OP_COPY, OP_COPY])
  })

  it('is made again from its log', () => {
    const replay = replayOf({ vcpus: 2 })
    replay.access(batch([0, 5], [1, 9], [0, 8]))
    replay.end(1)
    const again = FaultReplay.fromLog(
      { layout, policy: 'lazy', storage: 'nvme', profile: DEFAULT_HOST_PROFILE, vcpus: 2, seed: 1 },
      replay.log(),
    )
    expect(again.state()).toEqual(replay.state())
    expect(again.log()).toEqual(replay.log())
  })

  it.each<[string, AccessBatch, RegExp]>([
    ['a page beyond the memory', batch([0, 1], [0, PAGES]), /access 1: found page 16384, expected 0\.\.16383/],
    ['a vCPU that it does not have', batch([2, 1]), /access 0: found vCPU 2, expected 0\.\.1/],
    ['an access of a vCPU that has ended', batch([1, 1]), /access 0: found vCPU 1, which has ended/],
    [
      'flags that mean nothing',
      { ...batch([0, 1]), flags: Uint8Array.of(4) },
      /access 0: found flags 4, expected 0\.\.3/,
    ],
    ['a length beyond its columns', { ...batch([0, 1]), length: 2 }, /found a length of 2, expected 0\.\.1/],
    ['a length that is no number', { ...batch([0, 1]), length: Number.NaN }, /found a length of NaN/],
  ])('refuses %s, and takes nothing of that batch', (_, wrong, message) => {
    const replay = replayOf({ vcpus: 2 })
    replay.access(batch([0, 3]))
    replay.end(1)
    const before = [replay.state(), replay.log().length]
    expect(() => replay.access(wrong)).toThrow(message)
    expect([replay.state(), replay.log().length]).toEqual(before)
  })

  it.each([0, 1025, 1.5, Number.NaN])('refuses %s vCPUs', vcpus => {
    expect(() => replayOf({ vcpus })).toThrow(/vCPUs, expected 1\.\.1024/)
  })

  it.each([-1, 2, 0.5])('refuses to end vCPU %s of two', vcpu => {
    expect(() => replayOf({ vcpus: 2 }).end(vcpu)).toThrow(/expected 0\.\.1/)
  })
})

describe('the memory of a replay', () => {
  it('is what it says, within a tenth, and below 640 KiB for 4 GiB of pages of 4 KiB; the rest is there once', () => {
    const large = createLayout(openSynthetic('synthetic:4GiB,seed=1'), parseHostPages('4K'))
    const accesses = batch(...Array.from({ length: 1000 }, (_, i) => [0, i * 1000] as const))
    const start = (): FaultReplay => {
      const replay = replayOf({ layout: large })
      replay.access(accesses)
      return replay
    }
    start()
    const shared = sharedReplayBytes([large])
    // What other tests have left must not go while this one counts.
    collectGarbage()
    const before = process.memoryUsage().arrayBuffers
    const replays = Array.from({ length: 100 }, start)
    const each = (process.memoryUsage().arrayBuffers - before) / replays.length
    const { byteLength } = replays[0]
    expect(byteLength).toBeLessThan(640 * 1024)
    expect(Math.abs(each - byteLength)).toBeLessThan(byteLength / 10)
    expect(sharedReplayBytes([large, large])).toBe(shared)
    expect(shared).toBeGreaterThanOrEqual(large.snapshot.blocks[0].bitmap.byteLength + 32 * 1024)
  })
})
