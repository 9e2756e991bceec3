import { describe, expect, it } from 'vitest'
import { ReadFirst } from '../../../src/uffd/engine/read-first.ts'

/** Whether each of so many waits began with a read, where messages were there at some of them. */
function tries(waits: number, there: (wait: number) => boolean): boolean[] {
  const readFirst = new ReadFirst()
  return Array.from({ length: waits }, (_, wait) => {
    const tried = readFirst.isDue
    readFirst.learn(tried && there(wait))
    return tried
  })
}

describe('whether to read before a wait', () => {
  it('always, where messages are always there', () => {
    expect(tries(1000, () => true)).not.toContain(false)
  })

  it('ever more seldom where they never are, up to one in 65', () => {
    const at = tries(1000, () => false).flatMap((tried, wait) => (tried ? [wait] : []))
    expect(at.slice(0, 8)).toEqual([0, 2, 5, 10, 19, 36, 69, 134])
    expect(at.slice(8)).toEqual(Array.from({ length: at.length - 8 }, (_, i) => 134 + 65 * (i + 1)))
  })

  it('again at once after one that found some', () => {
    // The try at 134 finds some, and so do those behind it, up to 199.
    const tried = tries(300, wait => wait >= 100 && wait < 200)
    expect(tried.slice(70, 134)).not.toContain(true)
    expect(tried.slice(134, 201)).not.toContain(false)
    expect(tried.slice(201, 206)).toEqual([false, true, false, false, true])
  })
})
