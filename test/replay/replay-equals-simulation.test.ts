/**
 * A replay against a simulation that knows all accesses from the start: equal to the nanosecond, whatever the policy,
 * memory, workload, host and device, and however the accesses are cut into batches.
 */
import { deepStrictEqual } from 'node:assert'
import { fc } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { LatencyHistogram } from '../../src/core/latency-histogram.ts'
import { POLICIES } from '../../src/policy/registry.ts'
import { ANSWER_MINOR, ANSWER_RESIDENT, type ReplayAnswers } from '../../src/replay/answers.ts'
import { FaultReplay } from '../../src/replay/fault-replay.ts'
import { FREE_FAULT_PATH } from '../../src/sim/fault-path.ts'
import { restoreInVirtualTime } from '../../src/sim/sim-engine.ts'
import { Simulation } from '../../src/sim/simulate.ts'
import { type Install, runFast } from '../sim/outcome.ts'
import { anyRestore, type RestoreCase, restoreOf } from '../sim/random-restore.ts'
import { anyCut, optionsOf, scheduleOf, tell } from './schedule.ts'

const CASES = 600
const PATIENCE_MS = 300_000

const anyRestoreOfFourVcpus = anyRestore.map(
  (given): RestoreCase => ({ ...given, vcpus: given.vcpus.slice(0, 4), faultPath: FREE_FAULT_PATH }),
)

/** All answers of several calls: by access of the workload, op and latency; the install calls. */
class Collected {
  readonly answers = new Map<number, readonly [op: number, latencyNs: number]>()
  readonly installs: Install[] = []
  readonly #accesses: readonly number[]
  #nowNs = 0

  constructor(accesses: readonly number[]) {
    this.#accesses = accesses
  }

  /** Checks what must hold of each call's answers by themselves. */
  add({ access, op, latencyNs, installed, nowNs }: ReplayAnswers): void {
    for (const [i, number] of access.entries()) {
      const place = this.#accesses[number]
      if (this.answers.has(place)) throw new Error(`access ${number}: answered twice`)
      this.answers.set(place, [op[i], latencyNs[i]])
    }
    let atNs = this.#nowNs
    for (const [i, first] of installed.first.entries()) {
      if (installed.atNs[i] < atNs) throw new Error(`installed at ${installed.atNs[i]} after ${atNs}`)
      atNs = installed.atNs[i]
      this.installs.push([installed.op[i], first, installed.count[i]])
    }
    expect(nowNs).toBeGreaterThanOrEqual(atNs)
    this.#nowNs = nowNs
  }

  /** The histogram of those that waited. */
  get latency(): LatencyHistogram {
    const latency = new LatencyHistogram()
    for (const [op, ns] of this.answers.values()) {
      if (op !== ANSWER_RESIDENT && op !== ANSWER_MINOR) latency.record(ns)
    }
    return latency
  }
}

describe('a replay', () => {
  test(
    'answers, ends and reports as a simulation of the whole trace, to the nanosecond, under every policy',
    () => {
      const policies = new Map<string, number>()
      const ops = new Set<number>()
      fc.assert(
        fc.property(anyRestoreOfFourVcpus, anyCut, fc.nat(), (given, cut, forkAt) => {
          const restore = restoreOf(given)
          const { calls, accesses } = scheduleOf(restore.workload, cut)
          const replay = new FaultReplay(optionsOf(restore, given))
          const collected = new Collected(accesses)
          let fork: FaultReplay | null = null
          for (const [i, call] of calls.entries()) {
            const answers = tell(replay, call)
            collected.add(answers)
            expect(answers.pending).toBe(replay.log().length - collected.answers.size)
            if (restore.workload.vcpus === 1) expect(answers.pending).toBe(0)
            if (fork !== null) deepStrictEqual(tell(fork, call), answers)
            else if (i === forkAt % calls.length) fork = replay.fork()
          }
          const { output, outcome } = runFast(restore)
          const whole = new Simulation({ ...restore, policy: restore.newPolicy() })
          whole.advance()
          expect(replay.state().nowNs).toBe(whole.agenda.now)
          expect(collected.answers.size).toBe(restore.workload.page.length)
          deepStrictEqual(collected.installs, outcome.installs)
          const { counts, count, max } = output.vcpus.latency.records
          const { latency } = collected
          deepStrictEqual([latency.records.counts, latency.count, latency.max], [counts, count, max])
          const workingSet = { pages: restore.workingSet, contents: null }
          const request = { ...restore, policy: restore.spec, workingSet }
          const result = restoreInVirtualTime(request, restore.costs, { guest: restore.guest })
          deepStrictEqual(replay.result(), result)
          deepStrictEqual(fork!.result(), result)
          const [policy] = given.policy.split(':')
          policies.set(policy, (policies.get(policy) ?? 0) + 1)
          for (const [op] of collected.answers.values()) ops.add(op)
        }),
        { numRuns: CASES },
      )
      for (const { name } of POLICIES) {
        expect.soft(policies.get(name), name).toBeGreaterThan(CASES / POLICIES.length / 2)
      }
      expect([...ops].sort()).toEqual([0, 1, 2, 3, 4, 5])
    },
    PATIENCE_MS,
  )

  test(
    'answers alike however its accesses are cut, and at any moment as one that was told the same in one call',
    () => {
      fc.assert(
        fc.property(anyRestoreOfFourVcpus, anyCut, anyCut, fc.nat(), (given, cut, otherCut, until) => {
          const restore = restoreOf(given)
          const options = optionsOf(restore, given)
          const [one, other] = [cut, otherCut].map(each => {
            const { calls, accesses } = scheduleOf(restore.workload, each)
            const replay = new FaultReplay(options)
            const collected = new Collected(accesses)
            for (const call of calls) collected.add(tell(replay, call))
            return collected
          })
          deepStrictEqual(one.answers, other.answers)
          deepStrictEqual(one.installs, other.installs)
          const { calls } = scheduleOf(restore.workload, cut)
          const partial = new FaultReplay(options)
          for (const call of calls.slice(0, until % calls.length)) tell(partial, call)
          deepStrictEqual(partial.fork().state(), partial.state())
        }),
        { numRuns: 200 },
      )
    },
    PATIENCE_MS,
  )
})
