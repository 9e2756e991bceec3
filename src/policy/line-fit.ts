/**
 * What something costs as a line, `fixed + each · n`, fitted to samples as they come; old ones fade, so that it follows what
 * changes. Weighted least squares over running sums.
 */
export class FadingLine {
  readonly #keep: number
  #weight = 0
  #n = 0
  #cost = 0
  #nn = 0
  #nCost = 0

  /** @param samples how many of the latest ones count, roughly */
  constructor(samples: number) {
    this.#keep = 1 - 1 / samples
  }

  add(n: number, cost: number): void {
    const keep = this.#keep
    this.#weight = this.#weight * keep + 1
    this.#n = this.#n * keep + n
    this.#cost = this.#cost * keep + cost
    this.#nn = this.#nn * keep + n * n
    this.#nCost = this.#nCost * keep + n * cost
  }

  /** Null while the samples are too few or too alike to tell the two apart, or where a line through them falls. */
  get line(): { readonly fixed: number; readonly each: number } | null {
    const spread = this.#weight * this.#nn - this.#n * this.#n
    if (this.#weight < 4 || spread < 0.01 * this.#n * this.#n) return null
    const each = (this.#weight * this.#nCost - this.#n * this.#cost) / spread
    const fixed = (this.#cost - each * this.#n) / this.#weight
    return each > 0 && fixed > 0 ? { fixed, each } : null
  }
}
