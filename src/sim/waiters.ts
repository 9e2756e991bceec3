/** The vCPUs that wait for an install, in order of arrival, and the page that each waits for. */

export class Waiters {
  count = 0
  /** The page that a waiting vCPU waits for. */
  readonly page: Uint32Array
  readonly #vcpus: Int32Array

  constructor(vcpus: number) {
    this.page = new Uint32Array(vcpus)
    this.#vcpus = new Int32Array(vcpus)
  }

  add(vcpu: number, page: number): void {
    this.page[vcpu] = page
    this.#vcpus[this.count++] = vcpu
  }

  /** How many wait for a page of `[first, end)`. */
  countIn(first: number, end: number): number {
    let count = 0
    for (let i = 0; i < this.count; i++) {
      const page = this.page[this.#vcpus[i]]
      if (page >= first && page < end) count++
    }
    return count
  }

  /** Takes out those that wait for a page of `[first, end)` and writes them into `taken`; returns how many. */
  take(first: number, end: number, taken: Int32Array): number {
    let kept = 0
    let count = 0
    for (let i = 0; i < this.count; i++) {
      const vcpu = this.#vcpus[i]
      const page = this.page[vcpu]
      if (page >= first && page < end) taken[count++] = vcpu
      else this.#vcpus[kept++] = vcpu
    }
    this.count = kept
    return count
  }
}
