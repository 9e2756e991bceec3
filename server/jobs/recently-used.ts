/**
 * A few values by key; the one that was not used for longest goes first. Its maker may be asked again for the same key, but
 * whoever asks while it is made gets the same one.
 */

export class RecentlyUsed<T> {
  readonly #capacity: number
  readonly #drop: (value: T) => unknown
  /** In the order of their last use. */
  readonly #values = new Map<string, T>()
  readonly #making = new Map<string, Promise<T>>()

  constructor(capacity: number, drop: (value: T) => unknown = () => {}) {
    this.#capacity = capacity
    this.#drop = drop
  }

  async get(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.#values.get(key)
    if (known === undefined) return this.#making.get(key) ?? this.#make(key, make)
    this.#values.delete(key)
    this.#values.set(key, known)
    return known
  }

  #make(key: string, make: () => Promise<T>): Promise<T> {
    const making = make()
      .then(value => this.replace(key, value))
      .finally(() => this.#making.delete(key))
    this.#making.set(key, making)
    return making
  }

  replace(key: string, value: T): T {
    this.#values.delete(key)
    this.#values.set(key, value)
    for (const [oldest, dropped] of this.#values) {
      if (this.#values.size <= this.#capacity) break
      this.#values.delete(oldest)
      this.#drop(dropped)
    }
    return value
  }
}
