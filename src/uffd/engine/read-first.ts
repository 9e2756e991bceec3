/**
 * Whether a handler should ask for messages before it waits for them. Where they are there already, as when a vCPU on the
 * handler's own CPU has gone on and faulted while the handler was out of it, that spares a poll(2); where they are not, it is a
 * read(2) for nothing. Nobody can tell but by trying: again after each that found some, ever more seldom after those that did not.
 */

/** Waits between two tries, at most. */
const LONGEST_PAUSE = 64

export class ReadFirst {
  #pause = 0
  #left = 0

  /** The next wait is to begin with a read. */
  get isDue(): boolean {
    return this.#left === 0
  }

  /** A wait is over. @param found its first read brought messages */
  learn(found: boolean): void {
    if (this.#left > 0) this.#left--
    else {
      this.#pause = found ? 0 : Math.min(LONGEST_PAUSE, Math.max(1, 2 * this.#pause))
      this.#left = this.#pause
    }
  }
}
