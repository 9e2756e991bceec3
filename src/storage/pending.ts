/** The end of a request that waits behind those of others, so that nobody knows it yet. */
export class Pending {
  /** Who is told: mostly one or two, for whom no list is made. */
  #first: ((readyNs: number) => void) | null = null
  #others: ((readyNs: number) => void)[] | null = null

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
    if (this.#first === null) this.#first = told
    else if (this.#others === null) this.#others = [told]
    else this.#others.push(told)
  }

  resolve(readyNs: number): void {
    this.#first?.(readyNs)
    if (this.#others !== null) for (const told of this.#others) told(readyNs)
  }
}
