/**
 * Unread fault messages, in order of arrival. The kernel keeps a queue of sleeping threads, not a log: a fault that is
 * resolved before its message is read leaves no message behind. Hence a doubly linked list over vCPUs, each in it at most
 * once, from which any can go.
 */

const NONE = -1
const ABSENT = -2

export class MessageQueue {
  readonly #next: Int32Array
  readonly #previous: Int32Array
  #first = NONE
  #last = NONE

  constructor(vcpus: number) {
    this.#next = new Int32Array(vcpus)
    this.#previous = new Int32Array(vcpus).fill(ABSENT)
  }

  get isEmpty(): boolean {
    return this.#first === NONE
  }

  push(vcpu: number): void {
    this.#next[vcpu] = NONE
    this.#previous[vcpu] = this.#last
    if (this.#last === NONE) this.#first = vcpu
    else this.#next[this.#last] = vcpu
    this.#last = vcpu
  }

  /** Takes the oldest message out; -1 when there is none. */
  shift(): number {
    const vcpu = this.#first
    if (vcpu !== NONE) this.remove(vcpu)
    return vcpu
  }

  /** Takes the vCPU's message out if it is still unread. */
  remove(vcpu: number): void {
    const previous = this.#previous[vcpu]
    if (previous === ABSENT) return
    const next = this.#next[vcpu]
    if (previous === NONE) this.#first = next
    else this.#next[previous] = next
    if (next === NONE) this.#last = previous
    else this.#previous[next] = previous
    this.#previous[vcpu] = ABSENT
  }
}
