/**
 * A simulated thread: it runs one program at a time, a generator that yields where the real thread would sleep in the
 * kernel. Whatever wakes it calls `resume`, and it runs on at once until it ends or sleeps again, so a run is deterministic.
 */

/** How a touch or a system call ended: `ok`, a signal, or the name of an errno. */
export type Ending = string
/** What a start answers: the ending, or that the thread sleeps. */
export type Progress = Ending | 'blocked'

/** Yields to sleep, returns how it ended. */
export type ThreadProgram = Generator<void, Ending>

export class ModelThread {
  readonly id: number
  #program: ThreadProgram | null = null
  /** Of the last program; null while one sleeps and before the first. */
  ending: Ending | null = null
  /** The byte that the last read touch saw. */
  value = 0

  constructor(id: number) {
    this.id = id
  }

  get blocked(): boolean {
    return this.#program !== null
  }

  /** Runs `program` until it ends or sleeps; the thread must not be asleep in another one. */
  start(program: ThreadProgram): Progress {
    if (this.#program !== null) throw new Error(`thread ${this.id} is asleep and cannot start anything`)
    const before = this.ending
    this.#program = program
    this.ending = null
    try {
      this.resume()
    } catch (error) {
      // What is not modelled did not happen.
      this.#program = null
      this.ending = before
      throw error
    }
    return this.ending ?? 'blocked'
  }

  resume(): void {
    const step = this.#program?.next()
    if (step?.done !== true) return
    this.#program = null
    this.ending = step.value
  }
}
