/** The end of a request that waits behind those of others, so that nobody knows it yet. */
export class Pending {
  /** Infinity until it is known. */
  readyNs = Number.POSITIVE_INFINITY
  readonly #told: ((readyNs: number) => void)[] = []

  /** Known when all of the others are: the latest of their ends, and no earlier than `leastNs`. None of them is known yet. */
  static ofAll(others: readonly Pending[], leastNs: number): Pending {
    const all = new Pending()
    let left = others.length
    let latest = leastNs
    for (const other of others) {
      other.whenKnown(readyNs => {
        latest = Math.max(latest, readyNs)
        if (--left === 0) all.resolve(latest)
      })
    }
    return all
  }

  /** Told once, when the end becomes known. */
  whenKnown(told: (readyNs: number) => void): void {
    this.#told.push(told)
  }

  resolve(readyNs: number): void {
    this.readyNs = readyNs
    for (const told of this.#told) told(readyNs)
  }
}
