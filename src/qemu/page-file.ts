/**
 * The snapshot file while a VM lives from it. It must not change: QEMU would get pages of two different times, so a file
 * whose size or modification time moves fails the restore. And small reads should not wait for a thread: one of a cached
 * page takes 3 µs on the spot and 20 µs or more through Node's thread pool, but one of the disk would hold everything up. So
 * reads are made on the spot as long as they turn out quick.
 */
import { closeSync, fstatSync, openSync, read, readSync, type Stats } from 'node:fs'
import { LazyRestoreError } from '../core/error.ts'
import { shortRead } from '../snapshot/byte-source.ts'

/** A read that took longer came from the disk. */
const SLOW_READ_MS = 0.15
/** After such a read so many go through the thread pool, before one is tried on the spot again. */
const READS_AFTER_SLOW = 16
/** Larger reads always go through the thread pool. */
const MAX_QUICK_BYTES = 64 * 1024
/** How long a look at the file's state counts. */
const CHECK_INTERVAL_MS = 10

export class PageFile {
  readonly #path: string
  readonly #descriptor: number
  readonly #opened: Stats
  #checkedMs = 0
  /** Reads that still go through the thread pool. */
  #slowReads = 0
  /** Reads in the thread pool. */
  #pending = 0
  #onIdle: (() => void) | null = null
  #closed = false
  bytesRead = 0

  /** @throws LazyRestoreError `io` */
  constructor(path: string) {
    this.#path = path
    try {
      this.#descriptor = openSync(path, 'r')
    } catch (cause) {
      throw new LazyRestoreError('io', `${path}: ${(cause as Error).message}`, { cause })
    }
    this.#opened = fstatSync(this.#descriptor)
  }

  /**
   * Fills `target[at, at + length)` with the file's bytes from `offset` on: at once, and then returns null, or later.
   * @throws LazyRestoreError `io`, here or later
   */
  read(offset: number, target: Uint8Array, at: number, length: number): Promise<void> | null {
    this.bytesRead += length
    if (length > MAX_QUICK_BYTES) return this.#readLater(offset, target, at, length)
    if (this.#slowReads > 0) {
      this.#slowReads--
      return this.#readLater(offset, target, at, length)
    }
    const startMs = performance.now()
    this.#readNow(offset, target, at, length)
    if (performance.now() - startMs > SLOW_READ_MS) this.#slowReads = READS_AFTER_SLOW
    return null
  }

  #readNow(offset: number, target: Uint8Array, at: number, length: number): void {
    for (let done = 0; done < length; ) {
      let count: number
      try {
        count = readSync(this.#descriptor, target, at + done, length - done, offset + done)
      } catch (cause) {
        throw this.#readError(offset + done, cause)
      }
      if (count === 0) throw shortRead(this.#path, offset, done, length)
      done += count
    }
  }

  #readLater(offset: number, target: Uint8Array, at: number, length: number): Promise<void> {
    this.#pending++
    const result = new Promise<void>((resolve, reject) => {
      const readFrom = (done: number): void => {
        read(this.#descriptor, target, at + done, length - done, offset + done, (cause, count) => {
          if (cause !== null) reject(this.#readError(offset + done, cause))
          else if (count === 0) reject(shortRead(this.#path, offset, done, length))
          else if (done + count < length) readFrom(done + count)
          else resolve()
        })
      }
      readFrom(0)
    })
    return result.finally(() => {
      this.#pending--
      if (this.#pending === 0) this.#onIdle?.()
    })
  }

  #readError(offset: number, cause: unknown): LazyRestoreError {
    return new LazyRestoreError(
      'io',
      `${this.#path}: 0x${offset.toString(16)}: cannot read: ${(cause as Error).message}`,
      {
        cause,
      },
    )
  }

  /**
   * Looks whether the file is still as it was opened, unless it did so some ms ago.
   * @param now look in any case
   * @throws LazyRestoreError `io` when it is not
   */
  checkUnchanged(now = false): void {
    const nowMs = performance.now()
    if (!now && nowMs - this.#checkedMs < CHECK_INTERVAL_MS) return
    this.#checkedMs = nowMs
    const { size, mtimeMs } = fstatSync(this.#descriptor)
    if (size === this.#opened.size && mtimeMs === this.#opened.mtimeMs) return
    const found =
      size === this.#opened.size
        ? `a change at ${new Date(mtimeMs).toISOString()}`
        : `${size} bytes, before ${this.#opened.size}`
    throw new LazyRestoreError(
      'io',
      `${this.#path}: found ${found}, expected a file that nobody writes to while a VM is restored from it`,
    )
  }

  /** Waits for the reads that are under way. May be called twice. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#pending > 0) {
      await new Promise<void>(resolve => {
        this.#onIdle = resolve
      })
    }
    closeSync(this.#descriptor)
  }
}
