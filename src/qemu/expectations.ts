/**
 * What a session waits for: that bytes are written, that the destination says something. Each wait has a limit, each can be met
 * before anybody waits, and one failure ends them all.
 */
import { LazyRestoreError } from '../core/error.ts'

interface Wait {
  resolve(value: number): void
  reject(error: unknown): void
  readonly timer: NodeJS.Timeout | null
}

export class Expectations {
  readonly #met = new Map<string, number>()
  readonly #waits = new Map<string, Wait>()
  #failure: { readonly error: unknown } | null = null

  /**
   * Waits until `what` is met; returns what came with it.
   * @param limitMs null: until a failure
   * @throws LazyRestoreError `limit` after so long, or the session's failure
   */
  await(what: string, limitMs: number | null): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure.error)
        return
      }
      const value = this.#met.get(what)
      if (value !== undefined) {
        this.#met.delete(what)
        resolve(value)
        return
      }
      const onLimit = (): void => {
        this.#waits.delete(what)
        reject(new LazyRestoreError('limit', `${what}: found nothing for ${limitMs! / 1000} s`))
      }
      this.#waits.set(what, { resolve, reject, timer: limitMs === null ? null : setTimeout(onLimit, limitMs) })
    })
  }

  meet(what: string, value = 0): void {
    const wait = this.#waits.get(what)
    if (wait === undefined) {
      this.#met.set(what, value)
      return
    }
    this.#waits.delete(what)
    if (wait.timer !== null) clearTimeout(wait.timer)
    wait.resolve(value)
  }

  /** The first failure counts. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    for (const { reject, timer } of this.#waits.values()) {
      if (timer !== null) clearTimeout(timer)
      reject(error)
    }
    this.#waits.clear()
  }
}
