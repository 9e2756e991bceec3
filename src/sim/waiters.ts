/** The vCPUs that wait for an install, and the page that each waits for. */

export class Waiters {
  count = 0
  /** The page that a waiting vCPU waits for. */
  readonly pageOf: Uint32Array
  /** Who waits, and for what: the first `count` entries. */
  readonly #vcpus: Int32Array
  readonly #pages: Uint32Array

  constructor(vcpus: number) {
    this.pageOf = new Uint32Array(vcpus)
    this.#vcpus = new Int32Array(vcpus)
    this.#pages = new Uint32Array(vcpus)
  }

  add(vcpu: number, page: number): void {
    this.pageOf[vcpu] = page
    this.#vcpus[this.count] = vcpu
    this.#pages[this.count] = page
    this.count++
  }

  /** Writes those that wait for a page of `[first, end)` into `found`; returns how many. */
  find(first: number, end: number, found: Int32Array): number {
    const { count } = this
    const pages = this.#pages
    let finds = 0
    for (let i = 0; i < count; i++) if (pages[i] >= first && pages[i] < end) found[finds++] = this.#vcpus[i]
    return finds
  }

  /** Takes out those that wait for a page of `[first, end)` and writes them into `taken`, in order; returns how many. */
  take(first: number, end: number, taken: Int32Array): number {
    const pages = this.#pages
    let found = 0
    for (let i = this.count - 1; i >= 0; i--) {
      if (pages[i] < first || pages[i] >= end) continue
      taken[found++] = this.#vcpus[i]
      this.count--
      this.#vcpus[i] = this.#vcpus[this.count]
      pages[i] = pages[this.count]
    }
    if (found > 1) taken.subarray(0, found).sort()
    return found
  }
}
