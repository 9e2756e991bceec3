/** Turns, slots, and lanes that run alone. */
import { expect, it } from 'vitest'
import { type Lane, Scheduler } from '../../server/experiments/scheduler.ts'

/** Lanes whose tasks end when they are told to. */
class Desk {
  readonly started: string[] = []
  readonly #ends: (() => void)[] = []

  lane(id: string, tasks: number, runsAlone = false): Lane {
    let left = tasks
    const next = (): Promise<void> | null => {
      if (left === 0) return null
      this.started.push(`${id}${tasks - left--}`)
      return new Promise(resolve => this.#ends.push(resolve))
    }
    return { id, runsAlone, next }
  }

  /** Ends the oldest task that runs. */
  async end(): Promise<void> {
    this.#ends.shift()!()
    await new Promise(resolve => setImmediate(resolve))
  }
}

it('starts as many as there are slots, in turns', async () => {
  const desk = new Desk()
  const scheduler = new Scheduler(2)
  scheduler.add(desk.lane('a', 3))
  scheduler.add(desk.lane('b', 2))
  expect(desk.started).toEqual(['a0', 'a1'])
  await desk.end()
  await desk.end()
  expect(desk.started).toEqual(['a0', 'a1', 'b0', 'a2'])
  await desk.end()
  await desk.end()
  expect(desk.started).toEqual(['a0', 'a1', 'b0', 'a2', 'b1'])
  await desk.end()
  expect(scheduler.running).toBe(0)
})

it('lets a lane that runs alone wait for the others, and the others for it', async () => {
  const desk = new Desk()
  const scheduler = new Scheduler(2)
  scheduler.add(desk.lane('a', 3))
  scheduler.add(desk.lane('real', 2, true))
  await desk.end()
  expect(desk.started).toEqual(['a0', 'a1'])
  await desk.end()
  expect(desk.started).toEqual(['a0', 'a1', 'real0'])
  await desk.end()
  await desk.end()
  await desk.end()
  expect(desk.started).toEqual(['a0', 'a1', 'real0', 'a2', 'real1'])
})

it('starts nothing more of a lane that was removed', async () => {
  const desk = new Desk()
  const scheduler = new Scheduler(1)
  scheduler.add(desk.lane('a', 9))
  scheduler.add(desk.lane('b', 1))
  scheduler.remove('a')
  await desk.end()
  expect(desk.started).toEqual(['a0', 'b0'])
})
