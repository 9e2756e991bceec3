/**
 * What an engine gives the policies of one restore beside their questions: its clock, and one cell of memory that all of them
 * share. In the simulator one policy object hears of everything; on the kernel each thread has an object of its own, so
 * that a worker's would never hear of the faults that a handler's answers. The cell is all that passes between them.
 */

/** Words of the cell. */
const COUNT = 0
const LAST_PAGE = 1
export const FAULT_FEED_WORDS = 2

/**
 * The faults that policies have been asked about: how many so far, and the page of the last one. A policy whose background
 * work wants to know publishes them from its own `onFault`; those that do not pay nothing for it.
 */
export class FaultFeed {
  readonly #words: Int32Array

  /** @param words over memory that all threads of the restore share; over its own where there is but one */
  constructor(words: Int32Array = new Int32Array(FAULT_FEED_WORDS)) {
    this.#words = words
  }

  /** A fault on `page` is being answered. */
  publish(page: number): void {
    Atomics.store(this.#words, LAST_PAGE, page | 0)
    Atomics.add(this.#words, COUNT, 1)
  }

  /** Changes with every fault; 0 before the first. It wraps at 2^32, so compare it for equality only. */
  get count(): number {
    return Atomics.load(this.#words, COUNT)
  }

  /** Page of the latest fault, or of one published meanwhile; of no meaning while `count` is 0. */
  get lastPage(): number {
    return Atomics.load(this.#words, LAST_PAGE) >>> 0
  }
}

export interface PolicyHost {
  /** Nanoseconds since some moment before the restore; virtual ones in the simulator. */
  nowNs(): number
  readonly faults: FaultFeed
}

/** What a policy works with until an engine takes it over: a clock that stands, and a cell of its own. */
export function standaloneHost(): PolicyHost {
  return { nowNs: () => 0, faults: new FaultFeed() }
}
