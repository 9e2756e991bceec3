/** A policy that takes over in the middle of a restore: worked out by hand, and what must hold whatever the two are. */
import { deepStrictEqual } from 'node:assert'
import { fc } from '@fast-check/vitest'
import { describe, expect, it, test } from 'vitest'
import { bitmapOf, countBits, setBits, testBit } from '../../src/core/bitmap.ts'
import { parseSpec } from '../../src/core/spec-string.ts'
import type { Layout } from '../../src/destination/layout.ts'
import { POLICIES } from '../../src/policy/registry.ts'
import { FaultReplay, type ReplayOptions } from '../../src/replay/fault-replay.ts'
import { MAX_CHANGES } from '../../src/replay/policy-stretch.ts'
import { layoutOfBits } from '../destination/layout-of-bits.ts'
import { fillsMemory, installOf } from '../policy/plans.ts'
import { anyRestore, type RestoreCase, restoreOf } from '../sim/random-restore.ts'
import { COSTS as c, DEVICE, FIXED_NS } from '../sim/worked-by-hand.ts'
import { anyCut, optionsOf, profileOf, scheduleOf, tell } from './schedule.ts'

const one = (page: number, vcpu = 0) => ({
  length: 1,
  page: Uint32Array.of(page),
  vcpu: Uint16Array.of(vcpu),
  thinkNs: Uint32Array.of(0),
  flags: Uint8Array.of(0),
})

function byHand(layout: Layout, policy: string, options: Partial<ReplayOptions> = {}): FaultReplay {
  const storage = { name: 'by hand', device: DEVICE, cacheWarm: true }
  const common = { layout, policy, storage, profile: profileOf(c), vcpus: 1, seed: 1, fixedNs: FIXED_NS }
  return new FaultReplay({ ...common, ...options })
}

const readNs = (pages: number) => c.readCallNs + pages * c.read4kNs
const copyNs = (pages: number) => c.copyCallNs + pages * c.copyAnon4kNs

describe('another policy from an instant on', () => {
  it('begins there, with what is not resident', () => {
    const replay = byHand(layoutOfBits({ bits: '1111 1111' }), 'lazy')
    const { nowNs } = replay.access(one(3))
    const before = replay.state()
    const { installed } = replay.changePolicy('lazy-sweep')
    expect([...installed.first]).toEqual([])
    deepStrictEqual(replay.state(), before)
    const { installed: swept } = replay.end()
    const firstNs = nowNs + readNs(3) + copyNs(3)
    deepStrictEqual(
      [[...swept.first], [...swept.count]],
      [
        [0, 4],
        [3, 4],
      ],
    )
    deepStrictEqual([...swept.atNs], [firstNs, firstNs + readNs(4) + copyNs(4)])
    expect(replay.result()).toMatchObject({ policy: 'lazy then lazy-sweep', faults: 1, copies: 8 })
  })

  it('lets what is under way end as it was begun, and nothing of the old one begin', () => {
    const layout = layoutOfBits({ bits: '1'.repeat(64) })
    const replay = byHand(layout, 'lazy-sweep:chunk=16K')
    const { nowNs, installed } = replay.access(one(63))
    const batchNs = readNs(4) + copyNs(4)
    const resumeNs = c.registerNs + FIXED_NS
    const answerNs = c.faultTrapNs + c.handlerWakeLocalNs + c.messageReadNs + readNs(1) + copyNs(1) + c.wakeCallLocalNs
    deepStrictEqual([...installed.first], [0, 63])
    deepStrictEqual([...installed.atNs], [resumeNs + batchNs, resumeNs + answerNs])
    expect(nowNs).toBe(resumeNs + answerNs + c.vcpuWakeLocalNs)
    replay.changePolicy('lazy')
    const { installed: last } = replay.end()
    deepStrictEqual([[...last.first], [...last.count], [...last.atNs]], [[4], [4], [resumeNs + 2 * batchNs]])
    expect(replay.end().installed.first).toHaveLength(0)
  })

  it('loads into registered memory by install calls, behind which a fault need not stand', () => {
    const layout = layoutOfBits({ bits: `${'1'.repeat(400)}0000 1` })
    const replay = byHand(layout, 'lazy')
    replay.access(one(0))
    replay.changePolicy('eager:read=400K')
    const { op, installed } = replay.access(one(404))
    expect([...op]).toEqual([0])
    expect([installed.first[0], installed.count[0]]).toEqual([404, 1])
    replay.end()
    const { residentBytes, zeropages } = replay.state()
    expect([residentBytes, zeropages]).toEqual([layout.byteLength, 4])
  })

  it('is the policy from the start when nothing was told yet', () => {
    const layout = layoutOfBits({ bits: '1111 1111' })
    const [replay, other] = [byHand(layout, 'lazy'), byHand(layout, 'mmap')]
    replay.changePolicy('mmap')
    deepStrictEqual(replay.access(one(3)), other.access(one(3)))
    deepStrictEqual([replay.result(), replay.log()], [other.result(), other.log()])
  })

  it('refuses what memory cannot be filled by, what is no policy, and changes without end; the old one stays', () => {
    const layout = layoutOfBits({ bits: '1111 1111' })
    const [registered, mapped] = [byHand(layout, 'lazy'), byHand(layout, 'mmap')]
    for (const replay of [registered, mapped]) replay.access(one(3))
    const before = registered.state()
    expect(() => registered.changePolicy('mmap')).toThrow(/policy mmap: found memory that is not mapped from the file/)
    expect(() => mapped.changePolicy('lazy')).toThrow(/policy lazy: found memory that is mapped from the file/)
    expect(() => registered.changePolicy('fast')).toThrow(/policy: found "fast"/)
    deepStrictEqual([registered.state(), registered.log().earlier], [before, []])
    for (let change = 0; change < MAX_CHANGES; change++) registered.changePolicy('lazy')
    expect(() => registered.changePolicy('lazy')).toThrow(/found 64 changes of policy/)
  })

  test('changes nothing, to the nanosecond, when it is the same one and has nothing to remember', () => {
    fc.assert(
      fc.property(anyRestore, anyCut, fc.nat(), (given, cut, at) => {
        // With a run queue a core the new threads would start on other cores than the old ones are on.
        const host = { ...given.host, runQueues: 1 }
        const alone = { ...given, policy: 'lazy', vcpus: given.vcpus.slice(0, 1), host }
        const restore = restoreOf(alone)
        const options = { ...optionsOf(restore, alone), storage: { ...restore.storage, cacheWarm: true } }
        const { calls } = scheduleOf(restore.workload, cut)
        const [replay, changed] = [new FaultReplay(options), new FaultReplay(options)]
        for (const [i, call] of calls.entries()) {
          if (i === at % calls.length) changed.changePolicy('lazy')
          deepStrictEqual(tell(changed, call), tell(replay, call))
        }
        deepStrictEqual(changed.state(), replay.state())
      }),
      { numRuns: 150 },
    )
  })

  test('keeps memory and clock, installs no page twice, answers each access once, and can be run again from its log', () => {
    const anyPolicy = fc.constantFrom(...POLICIES.map(({ name }) => name))
    const anyChanges = fc.array(fc.tuple(fc.nat(), anyPolicy), { minLength: 1, maxLength: 3 })
    let changed = 0
    let filled = 0
    fc.assert(
      fc.property(anyRestore, anyCut, anyChanges, (given, cut, changes) => {
        const few: RestoreCase = { ...given, vcpus: given.vcpus.slice(0, 3) }
        const restore = restoreOf(few)
        const { layout } = restore
        const maps = (policy: string) => installOf(parseSpec(policy).name) === 'map'
        const { calls } = scheduleOf(restore.workload, cut)
        const options = optionsOf(restore, few)
        const replay = new FaultReplay(options)
        const installed = bitmapOf(new Uint32Array(0), layout.hostPageCount)
        const answered = new Set<number>()
        const take = ({ access, installed: runs }: ReturnType<typeof tell>): void => {
          for (const number of access) {
            expect(answered.has(number)).toBe(false)
            answered.add(number)
          }
          for (const [i, first] of runs.first.entries()) {
            for (let page = first; page < first + runs.count[i]; page++) expect(testBit(installed, page)).toBe(false)
            setBits(installed, first, runs.count[i])
          }
        }
        let last = few.policy
        for (const [i, call] of calls.entries()) {
          for (const [at, policy] of changes) {
            if (i !== at % calls.length || maps(policy) !== maps(few.policy)) continue
            const before = replay.state()
            const hasBegun = before.accesses > 0 || before.ended.length > 0
            if (!hasBegun) continue
            const fork = replay.fork(policy)
            if (before.heldVcpu !== null) deepStrictEqual(fork.state(), before)
            take(replay.changePolicy(policy))
            deepStrictEqual(fork.state(), replay.state())
            last = policy
            changed++
          }
          take(tell(replay, call))
        }
        expect(answered.size).toBe(restore.workload.page.length)
        const again = FaultReplay.fromLog({ ...options, policy: last }, replay.log())
        deepStrictEqual([again.state(), again.log(), again.result()], [replay.state(), replay.log(), replay.result()])
        if (last !== few.policy && installOf(parseSpec(few.policy).name) === 'uffd' && fillsMemory(last)) {
          filled++
          expect(countBits(replay.state().resident, 0, layout.hostPageCount)).toBe(layout.hostPageCount)
        }
      }),
      { numRuns: 300 },
    )
    expect([changed > 100, filled > 10]).toEqual([true, true])
  })
})
