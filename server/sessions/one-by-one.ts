/** Work that is done one after the other, in the order in which it came; so much of it may wait. */
import { HttpError } from '../http/errors.ts'

const RETRY_AFTER_S = 1

export class OneByOne {
  readonly #most: number
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** @param most work that waits or is done */
  constructor(most: number) {
    this.#most = most
  }

  /** @throws HttpError `busy` when too much waits; what the work throws */
  async do<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= this.#most) {
      throw new HttpError('busy', `found ${this.#most} requests of this kind waiting`, { retryAfterS: RETRY_AFTER_S })
    }
    this.#waiting++
    const result = this.#last.then(work)
    const done = (): void => void this.#waiting--
    this.#last = result.then(done, done)
    return result
  }
}
