/**
 * Waits for many descriptors at once, for a thread that must not sleep itself: poll(2) on a thread of libuv's pool, one call
 * at a time. For sockets and processes whose descriptors node does not know; a few changes a second, not a data path.
 */
import { addressOf, callInBackground, libc } from '../native.ts'
import { receiveWithDescriptors, sendWithDescriptors } from '../scm-rights.ts'
import { connectedPair, POLLIN } from '../unix-socket.ts'

/** Nothing is missed: a change of what is watched ends the call. */
const CALL_MS = 10_000
const POLLNVAL = 0x20

export interface Watch {
  /** Not called back any more. May be called twice. */
  close(): void
}

interface Entry extends Watch {
  readonly descriptor: number
  readonly events: number
  readonly onReady: (revents: number) => void
}

export class Poller {
  readonly #entries = new Set<Entry>()
  readonly #wake: readonly [receiver: number, sender: number]
  readonly #drained = new Uint8Array(64)
  #isWoken = false
  #isClosed = false
  readonly #ended: Promise<void>

  /** @throws LazyRestoreError `unsupported` without koffi */
  constructor() {
    this.#wake = connectedPair()
    this.#ended = this.#run()
  }

  /**
   * Calls back, again and again, while one of `events`, POLLERR or POLLHUP is the case. Whoever is called closes the watch or
   * takes away the cause; the descriptor must be open as long as the watch is.
   */
  watch(descriptor: number, events: number, onReady: (revents: number) => void): Watch {
    const entry: Entry = {
      descriptor,
      events,
      onReady,
      close: () => {
        if (this.#entries.delete(entry)) this.#interrupt()
      },
    }
    this.#entries.add(entry)
    this.#interrupt()
    return entry
  }

  /** Resolves when no call is under way any more. May be called twice. */
  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#entries.clear()
      this.#interrupt()
    }
    return this.#ended
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const watched = [...this.#entries]
      const fds = new Int32Array(2 * (watched.length + 1))
      for (const [i, { descriptor, events }] of [{ descriptor: this.#wake[0], events: POLLIN }, ...watched].entries()) {
        fds[2 * i] = descriptor
        fds[2 * i + 1] = events
      }
      const ready = await callInBackground('poll', addressOf(fds), watched.length + 1, CALL_MS)
      if (ready <= 0) continue
      if (fds[1] >>> 16 !== 0) this.#takeWake()
      for (const [i, entry] of watched.entries()) {
        const revents = fds[2 * i + 3] >>> 16
        // One that was closed meanwhile is not meant any more, nor is a descriptor that was closed under a watch.
        if (revents !== 0 && (revents & POLLNVAL) === 0 && this.#entries.has(entry)) entry.onReady(revents)
      }
    }
    for (const descriptor of this.#wake) libc().close(descriptor)
  }

  #interrupt(): void {
    if (this.#isWoken) return
    this.#isWoken = true
    sendWithDescriptors(this.#wake[1], Uint8Array.of(0), [])
  }

  #takeWake(): void {
    receiveWithDescriptors(this.#wake[0], this.#drained)
    this.#isWoken = false
  }
}
