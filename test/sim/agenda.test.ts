/** Virtual time with processor sharing. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { Agenda } from '../../src/sim/agenda.ts'
import type { CoreSpeeds } from '../../src/sim/core-speeds.ts'
import { Clock } from './naive/clock.ts'

/** Cores that nobody else uses. */
const undisturbed = (cores: number): CoreSpeeds => ({ cores, threadAlonePerMille: 1000, threadAllPerMille: 1000 })

type Step = readonly [kind: 'burst' | 'timer', ns: number]

/** Each actor does its steps one after the other; returns who ended one, and when. */
function run(time: Agenda | Clock, lives: readonly (readonly Step[])[]): [actor: number, now: number][] {
  const next = lives.map(() => 0)
  const start = (actor: number) => {
    const step = lives[actor][next[actor]++]
    if (step === undefined) return
    const [kind, ns] = step
    if (time instanceof Agenda) {
      if (kind === 'burst') time.startBurst(actor, ns)
      else time.startTimer(actor, time.now + ns)
    } else if (kind === 'burst') time.burst(actor, ns)
    else time.timer(actor, time.now + ns)
  }
  for (const actor of lives.keys()) start(actor)
  const ends: [number, number][] = []
  for (let actor = time.next(); actor !== null && actor >= 0; actor = time.next()) {
    ends.push([actor, time.now])
    start(actor)
  }
  return ends
}

const bursts = (...ns: number[]): Step[] => ns.map(each => ['burst', each])

describe('bursts', () => {
  test('run side by side while there are cores for all', () => {
    expect(run(new Agenda(undisturbed(2), 2), [bursts(300), bursts(100, 100)])).toEqual([
      [1, 100],
      [1, 200],
      [0, 300],
    ])
  })

  test('share two cores among three: 300, 300 and 600 ns of work end at 450, 450 and 750', () => {
    // At rate 2/3 the first two take 450; the third then has 300 left and a core to itself.
    expect(run(new Agenda(undisturbed(2), 3), [bursts(300), bursts(300), bursts(600)])).toEqual([
      [0, 450],
      [1, 450],
      [2, 750],
    ])
  })

  test('take longer where a thread does not get all of a core, and longer still while all cores are busy', () => {
    const speeds = { cores: 2, threadAlonePerMille: 800, threadAllPerMille: 500 }
    expect(run(new Agenda(speeds, 2), [bursts(400)])).toEqual([[0, 500]])
    // Both at half speed until 200 have been done of each; then 200 alone at 80 %.
    expect(run(new Agenda(speeds, 2), [bursts(400), bursts(200)])).toEqual([
      [1, 400],
      [0, 650],
    ])
  })

  test('on one core all end when the core has done the work of all', () => {
    expect(run(new Agenda(undisturbed(1), 3), [bursts(10), bursts(20), bursts(30)])).toEqual([
      [0, 30],
      [1, 50],
      [2, 60],
    ])
  })

  test('slow down when another one joins', () => {
    // Alone until 100; then two on one core, 100 left each: until 300. A timer takes no core.
    expect(run(new Agenda(undisturbed(1), 2), [bursts(200), [['timer', 100], ...bursts(100)]])).toEqual([
      [1, 100],
      [0, 300],
      [1, 300],
    ])
  })
})

describe('order', () => {
  test('at one time is bursts before timers, then actors as they are numbered', () => {
    const lives: Step[][] = [[['timer', 50]], bursts(50), [['timer', 50]], bursts(50)]
    expect(run(new Agenda(undisturbed(4), 4), lives).map(([actor]) => actor)).toEqual([1, 3, 0, 2])
  })

  test('ends with -1 when nothing is pending, and goes on when something is again', () => {
    const agenda = new Agenda(undisturbed(1), 2)
    expect(agenda.next()).toBe(-1)
    agenda.startTimer(1, 70)
    expect([agenda.next(), agenda.now, agenda.next()]).toEqual([1, 70, -1])
    agenda.startBurst(0, 5)
    expect([agenda.active, agenda.next(), agenda.now, agenda.active]).toEqual([1, 0, 75, 0])
  })

  const anyStep: fc.Arbitrary<Step> = fc.tuple(
    fc.constantFrom('burst' as const, 'timer' as const),
    fc.oneof(fc.constantFrom(0, 1, 100), fc.nat(5000)),
  )

  property.prop([fc.integer({ min: 1, max: 6 }), fc.array(fc.array(anyStep, { maxLength: 12 }), { maxLength: 12 })], {
    numRuns: 1000,
  })('and time are those of a search through all that is pending', (cores, lives) => {
    expect(run(new Agenda(undisturbed(cores), lives.length), lives)).toStrictEqual(
      run(new Clock(undisturbed(cores)), lives),
    )
  })

  property.prop([fc.integer({ min: 1, max: 6 }), fc.array(fc.nat(5000), { minLength: 1, maxLength: 12 })], {
    numRuns: 500,
  })('of bursts that start together is by length, and the cores are never idle', (cores, works) => {
    const ends = run(
      new Agenda(undisturbed(cores), works.length),
      works.map(ns => bursts(ns)),
    )
    expect(ends.map(([actor]) => works[actor])).toEqual(works.toSorted((a, b) => a - b))
    // With n bursts left of which the next is over after d more work, n·d / min(n, cores) passes.
    const sorted = works.toSorted((a, b) => a - b)
    let now = 0
    for (const [i, [, end]] of ends.entries()) {
      const left = sorted.length - i
      now += ((sorted[i] - (sorted[i - 1] ?? 0)) * left) / Math.min(left, cores)
      expect(end).toBeCloseTo(now, 6)
    }
  })
})
