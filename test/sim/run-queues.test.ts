/** Virtual time where each core has a run queue of its own. fast-equals-naive.test.ts holds whole restores against section "Run queues" of docs/model.md. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { Agenda } from '../../src/sim/agenda.ts'
import { createAgenda, RunQueues, type Scheduling } from '../../src/sim/run-queues.ts'

const scheduling = (changes: Partial<Scheduling> = {}): Scheduling => ({
  cores: 2,
  runQueues: 2,
  idleSearch: 1,
  migrationCostNs: 500,
  threadAlonePerMille: 1000,
  threadAllPerMille: 1000,
  kernelBesidePerMille: 1000,
  ...changes,
})

/** Actors 0 and 2 start on core 0, actors 1 and 3 on core 1. */
function twoCores(changes: Partial<Scheduling> = {}, vcpus = 0): RunQueues {
  const time = new RunQueues(scheduling(changes), vcpus)
  time.addActors(4 - vcpus, 0)
  return time
}

/** Takes events to the end: who, and when. */
function ends(time: RunQueues): [actor: number, now: number][] {
  const found: [number, number][] = []
  for (let actor = time.next(); actor >= 0; actor = time.next()) found.push([actor, time.now])
  return found
}

describe('which of the two', () => {
  test.each<[string, Partial<Scheduling>, typeof Agenda | typeof RunQueues]>([
    ['one queue for all cores is the fluid limit', { runQueues: 1 }, Agenda],
    ['one core has one queue', { cores: 1 }, Agenda],
    ['more than one is one a core', { cores: 8, runQueues: 8 }, RunQueues],
  ])('%s', (_, changes, expected) => {
    expect(createAgenda(scheduling(changes), 3)).toBeInstanceOf(expected)
  })
})

describe('a vCPU', () => {
  test('stays on its core, however long it waits there while another one idles', () => {
    const time = twoCores({}, 3)
    time.startBurst(0, 2000)
    time.startBurst(2, 2000)
    expect(ends(time)).toEqual([
      [0, 4000],
      [2, 4000],
    ])
  })

  test('leaves it to others to go: they move to the idle core', () => {
    const time = twoCores({}, 1)
    time.startBurst(0, 2000)
    time.startBurst(1, 300)
    time.startBurst(2, 2000)
    // As for the three of them unbound, but actor 2 moves.
    expect(ends(time)).toEqual([
      [1, 300],
      [0, 2250],
      [2, 2250],
    ])
  })

  test('is woken on its core, whoever runs there', () => {
    const time = twoCores({}, 1)
    time.startBurst(2, 1000)
    time.startBurst(1, 100)
    expect([time.next(), time.now]).toEqual([1, 100])
    expect([time.wakesRemotely(0), time.wake(0, 0)]).toEqual([false, false])
    time.startTimer(0, 150)
    expect([time.next(), time.now]).toEqual([0, 150])
    time.startBurst(0, 100)
    // It shares the core with actor 2.
    expect([time.next(), time.now]).toEqual([0, 350])
  })
})

describe('a burst', () => {
  test('starts on its own core, or on the first idle one if that is busy', () => {
    const time = twoCores()
    time.startBurst(0, 100)
    time.startBurst(2, 100)
    expect(ends(time)).toEqual([
      [0, 100],
      [2, 100],
    ])
  })

  test('shares its core while another idles, until it has waited long enough to move', () => {
    const time = twoCores()
    time.startBurst(0, 2000)
    time.startBurst(1, 300)
    time.startBurst(2, 2000)
    // Until 300 actors 0 and 2 have 150 each. Actor 1's core is idle from then on, but nobody moves before 500: then 250 are done
    // of each, and actor 0 moves, which is the first of the two.
    expect(ends(time)).toEqual([
      [1, 300],
      [0, 2250],
      [2, 2250],
    ])
  })

  test('takes longer while all cores are busy, if the host says so', () => {
    const time = twoCores({ threadAlonePerMille: 800, threadAllPerMille: 500 })
    time.startBurst(0, 400)
    time.startBurst(1, 200)
    expect(ends(time)).toEqual([
      [1, 400],
      [0, 650],
    ])
  })

  test('of two that end at one time, the one of the lower actor ends first; a timer comes after both', () => {
    const time = twoCores()
    time.startTimer(2, 50)
    time.startBurst(1, 50)
    time.startBurst(0, 50)
    expect(ends(time)).toEqual([
      [0, 50],
      [1, 50],
      [2, 50],
    ])
  })
})

describe('work in the kernel', () => {
  const slow = { kernelBesidePerMille: 500 }

  test('takes longer beside such work on another core, if the host says so', () => {
    const time = twoCores(slow)
    time.startKernelBurst(0, 100)
    time.startKernelBurst(1, 200)
    expect(ends(time)).toEqual([
      [0, 100],
      [1, 400],
    ])
  })

  test('takes no longer beside other work, nor beside such work on its own core', () => {
    const time = twoCores({ ...slow, migrationCostNs: 1e6 })
    time.startBurst(1, 1000)
    time.startKernelBurst(0, 100)
    time.startKernelBurst(2, 100)
    expect(ends(time)).toEqual([
      [0, 200],
      [2, 200],
      [1, 1000],
    ])
  })

  test('takes no longer when the other has ended, and counts where an idle core takes it', () => {
    const time = twoCores({ ...slow, migrationCostNs: 0, idleSearch: 0 })
    time.startKernelBurst(0, 100)
    time.startKernelBurst(2, 300) // moves to core 1 at once
    expect([time.next(), time.now]).toEqual([0, 100])
    time.startKernelBurst(0, 100)
    expect(ends(time)).toEqual([
      [0, 300],
      [2, 300],
    ])
    time.startKernelBurst(0, 100)
    expect([time.next(), time.now]).toEqual([0, 400])
  })
})

describe('a thread that is woken on a busy core', () => {
  test('interrupts whoever runs there, if the waker is on another core', () => {
    const time = twoCores({}, 2)
    time.startBurst(2, 1000) // on the first core
    time.startBurst(1, 100) // on the second
    expect([time.next(), time.now]).toEqual([1, 100])
    expect(time.interrupts(0)).toBe(true)
    expect(time.wake(0, 30)).toBe(false)
    time.startTimer(0, 5000)
    expect(ends(time)).toEqual([
      [2, 1030],
      [0, 5000],
    ])
  })

  test('interrupts nobody from the same core, nor where nobody runs, nor if it runs itself', () => {
    const time = twoCores({}, 2)
    time.startBurst(2, 1000)
    time.startBurst(0, 100) // both on the first core
    expect([time.next(), time.now]).toEqual([0, 200])
    expect([time.interrupts(2), time.interrupts(1)]).toEqual([false, false])
    time.startBurst(0, 5)
    time.startBurst(1, 1)
    expect(time.next()).toBe(1)
    expect([time.interrupts(0), time.interrupts(2)]).toEqual([false, false])
  })

  test('interrupts nobody when no thread wakes it', () => {
    const time = twoCores({}, 2)
    time.startBurst(2, 1000)
    expect(time.interrupts(0)).toBe(false)
  })
})

describe('a thread that is woken', () => {
  test('goes to its own idle core, and pays for it', () => {
    const time = twoCores()
    time.startBurst(0, 10)
    expect(time.next()).toBe(0)
    expect(time.wake(1, 0)).toBe(true)
    // Its core is taken while it wakes, and actor 0 is at its step: nothing is idle.
    expect([2, 3].map(actor => time.wakesRemotely(actor))).toEqual([false, false])
    time.startTimer(1, 40)
    expect(time.next()).toBe(1)
    expect(time.wakesRemotely(3)).toBe(true)
    time.startBurst(1, 5)
    expect(ends(time)).toEqual([[1, 45]])
  })

  test('finds another one at its step on its own core, and goes to the idle one', () => {
    const time = twoCores()
    time.startBurst(0, 10)
    time.next()
    expect(time.wake(2, 0)).toBe(true)
    time.startBurst(0, 20)
    time.startTimer(2, 15)
    time.next()
    time.startBurst(2, 20)
    expect(ends(time)).toEqual([
      [0, 30],
      [2, 35],
    ])
  })

  test('stays on its own core where none is idle', () => {
    const time = twoCores({ migrationCostNs: 1e6 })
    time.startBurst(0, 100)
    time.startBurst(1, 1000)
    time.startBurst(2, 300)
    expect([time.next(), time.now]).toEqual([0, 200])
    expect(time.wake(3, 0)).toBe(false)
    time.startTimer(3, 210)
    time.next()
    time.startBurst(3, 40)
    // Actor 2 has 100 of its 300 at 200, and core 0 to itself from then on; actors 1 and 3 share core 1 from 210 to 290.
    expect(ends(time)).toEqual([
      [3, 290],
      [2, 400],
      [1, 1040],
    ])
  })

  test('does not find an idle core where none is looked for, but may find its own to be idle', () => {
    const time = twoCores({ idleSearch: 0 })
    time.startBurst(0, 10)
    time.next()
    // Actor 0 is at its step on the core of actor 2.
    expect([2, 3].map(actor => time.wakesRemotely(actor))).toEqual([false, true])
    expect([2, 3].map(actor => time.wake(actor, 0))).toEqual([false, true])
  })

  test('stays where it is while it is on its way to sleep', () => {
    const time = twoCores()
    time.startBurst(1, 100)
    time.startBurst(0, 10)
    time.next()
    expect(time.wake(1, 0)).toBe(false)
    expect(ends(time)).toEqual([[1, 100]])
  })
})

describe('time', () => {
  const anyWork = fc.array(fc.oneof(fc.nat(5000), fc.double({ min: 0, max: 5000, noNaN: true })), { maxLength: 12 })

  property.prop([fc.integer({ min: 2, max: 4 }), fc.array(anyWork, { maxLength: 8 }), fc.constantFrom(0, 700)], {
    numRuns: 1000,
  })('never goes back, however service is rounded, and every burst ends', (cores, lives, migrationCostNs) => {
    const shares = { threadAlonePerMille: 930, threadAllPerMille: 700 }
    const time = new RunQueues(scheduling({ cores, migrationCostNs, ...shares }), 0)
    time.addActors(lives.length, 0)
    const next = lives.map(() => 0)
    const start = (actor: number) => {
      if (next[actor] < lives[actor].length) time.startBurst(actor, lives[actor][next[actor]++])
    }
    for (const actor of lives.keys()) start(actor)
    let ended = 0
    let before = 0
    for (let actor = time.next(); actor >= 0; actor = time.next()) {
      expect(time.now).toBeGreaterThanOrEqual(before)
      before = time.now
      ended++
      start(actor)
    }
    expect(ended).toBe(lives.reduce((sum, { length }) => sum + length, 0))
  })
})
