/** Accepts connections at a path, without a thread that waits for them. */
import { rmSync, statSync } from 'node:fs'
import { libc } from '../native.ts'
import { acceptFrom, listenAt, POLLIN } from '../unix-socket.ts'
import type { Poller, Watch } from './poller.ts'

/** Time for descriptors to become free where there are none. */
const PAUSE_MS = 100

export class Acceptor {
  readonly #path: string
  readonly #poller: Poller
  readonly #onConnection: (connection: number) => void
  readonly #onNote: (note: string) => void
  readonly #inode: number
  #listener: number
  #watch: Watch | null = null

  /**
   * @param onConnection owns the descriptor that it is given
   * @throws LazyRestoreError `io` when nobody can listen there; `usage`
   */
  constructor(
    path: string,
    poller: Poller,
    onConnection: (connection: number) => void,
    onNote: (note: string) => void,
  ) {
    this.#path = path
    this.#poller = poller
    this.#onConnection = onConnection
    this.#onNote = onNote
    this.#listener = listenAt(path)
    this.#inode = statSync(path).ino
    this.#listen()
  }

  /**
   * Takes those who have connected; who does from now on is refused by the kernel. The socket file is removed. May be called
   * twice.
   */
  close(): void {
    if (this.#listener < 0) return
    this.#acceptAll()
    this.#watch?.close()
    libc().close(this.#listener)
    this.#listener = -1
    // Another one may listen at the path by now.
    if (statSync(this.#path, { throwIfNoEntry: false })?.ino === this.#inode) rmSync(this.#path, { force: true })
  }

  #listen(): void {
    if (this.#listener < 0) return
    this.#watch = this.#poller.watch(this.#listener, POLLIN, () => this.#acceptAll())
  }

  #acceptAll(): void {
    try {
      for (let next = acceptFrom(this.#listener); next !== null; next = acceptFrom(this.#listener)) {
        this.#onConnection(next)
      }
    } catch (error) {
      this.#onNote((error as Error).message)
      this.#watch?.close()
      setTimeout(() => this.#listen(), PAUSE_MS)
    }
  }
}
