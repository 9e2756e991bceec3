/**
 * The snapshot file while a VM lives from it. It must not change: QEMU would get pages of two different times, so a file
 * whose size or modification time moves fails the restore.
 *
 * Reads are made where they cost least. A small read of a cached page takes 3 µs on the spot and 20 µs or more through Node's
 * thread pool, but one of the disk would hold everything up: so small reads are made on the spot as long as they turn out
 * quick. Large ones have a descriptor of their own, so that the kernel's readahead sees them alone, in order.
 *
 * A file that is not in the page cache is read fastest past it, several reads side by side; one that is, through it. Nobody
 * says beforehand which of the two a file is, so the reads themselves tell: large ones go through the cache until one comes as
 * slowly as from a disk, then past it for a while, and one in a growing number tries again.
 */
import { closeSync, constants, fstatSync, openSync, read, readSync, type Stats } from 'node:fs'
import { LazyRestoreError } from '../core/error.ts'
import { shortRead } from '../snapshot/byte-source.ts'

/** A read that took longer came from the disk. */
const SLOW_READ_MS = 0.15
/** After such a read so many go through the thread pool, before one is tried on the spot again. */
const READS_AFTER_SLOW = 16
/** Larger reads always go through the thread pool. */
const MAX_QUICK_BYTES = 64 * 1024
/** What O_DIRECT asks offsets and lengths to be multiples of; other reads go through the page cache. */
const DIRECT_ALIGNMENT = 4096
/** A large read through the page cache that brings less a second came from the disk: copying memory is several times as fast. */
const SLOW_BYTES_PER_S = 1e9
/** After such a read so many go past the cache, twice as many each time that the next one is slow too. */
const FIRST_DIRECT_READS = 4
const MOST_DIRECT_READS = 128
/** One thread of Node's pool of four stays free for what is asked for. */
const PARALLEL_READS = 3
/** How long a look at the file's state counts. */
const CHECK_INTERVAL_MS = 10

/** How large reads are made: through the page cache, past it (O_DIRECT), or as it turns out to be faster. */
export type LargeReads = 'cached' | 'direct' | 'fastest'

export class PageFile {
  readonly #path: string
  readonly #small: number
  readonly #large: number
  /** Past the page cache; null: no read is. */
  readonly #direct: number | null
  readonly #largeReads: LargeReads
  readonly #opened: Stats
  #checkedMs = 0
  /** Reads that still go through the thread pool. */
  #slowReads = 0
  /** Large reads that still go past the page cache, and how many of them the next slow one calls for. */
  #directReads = 0
  #nextDirectReads = FIRST_DIRECT_READS
  /** Reads in the thread pool. */
  #pending = 0
  #onIdle: (() => void) | null = null
  #closed = false
  bytesRead = 0

  /** @throws LazyRestoreError `io`; with `direct` also when the file system has no O_DIRECT */
  constructor(path: string, largeReads: LargeReads) {
    this.#path = path
    this.#largeReads = largeReads
    const opened: number[] = []
    const openOne = (flags: number): number => {
      opened.push(openFor(path, constants.O_RDONLY | flags))
      return opened[opened.length - 1]
    }
    try {
      this.#small = openOne(0)
      this.#large = openOne(0)
      this.#direct = largeReads === 'cached' ? null : openDirect(openOne, largeReads === 'direct')
    } catch (error) {
      for (const descriptor of opened) closeSync(descriptor)
      throw error
    }
    this.#opened = fstatSync(this.#small)
  }

  /** Large reads that are best made at a time now: through the cache more would only disturb the kernel's readahead. */
  get parallelReads(): number {
    return this.#largeReads === 'direct' || this.#directReads > 0 ? PARALLEL_READS : 1
  }

  /**
   * Fills `target[at, at + length)` with the file's bytes from `offset` on: at once, and then returns null, or later.
   * @param target page-aligned memory (aligned-buffer.ts)
   * @throws LazyRestoreError `io`, here or later
   */
  read(offset: number, target: Uint8Array, at: number, length: number): Promise<void> | null {
    this.bytesRead += length
    const isAligned = (offset | at | length) % DIRECT_ALIGNMENT === 0
    if (this.#largeReads === 'direct' && isAligned) return this.#readLater(this.#direct!, offset, target, at, length)
    if (length > MAX_QUICK_BYTES) return this.#readLarge(offset, target, at, length, isAligned)
    if (this.#slowReads > 0) {
      this.#slowReads--
      return this.#readLater(this.#small, offset, target, at, length)
    }
    const startMs = performance.now()
    this.#readNow(offset, target, at, length)
    if (performance.now() - startMs > SLOW_READ_MS) this.#slowReads = READS_AFTER_SLOW
    return null
  }

  #readLarge(offset: number, target: Uint8Array, at: number, length: number, isAligned: boolean): Promise<void> {
    if (this.#direct === null || !isAligned) return this.#readLater(this.#large, offset, target, at, length)
    if (this.#directReads > 0) {
      this.#directReads--
      return this.#readLater(this.#direct, offset, target, at, length)
    }
    const startMs = performance.now()
    return this.#readLater(this.#large, offset, target, at, length).then(() => {
      const isSlow = length * 1000 < (performance.now() - startMs) * SLOW_BYTES_PER_S
      this.#directReads = isSlow ? this.#nextDirectReads : 0
      this.#nextDirectReads = isSlow ? Math.min(2 * this.#nextDirectReads, MOST_DIRECT_READS) : FIRST_DIRECT_READS
    })
  }

  #readNow(offset: number, target: Uint8Array, at: number, length: number): void {
    for (let done = 0; done < length; ) {
      let count: number
      try {
        count = readSync(this.#small, target, at + done, length - done, offset + done)
      } catch (cause) {
        throw this.#readError(offset + done, cause)
      }
      if (count === 0) throw this.#shortRead(offset, done, length)
      done += count
    }
  }

  #readLater(descriptor: number, offset: number, target: Uint8Array, at: number, length: number): Promise<void> {
    this.#pending++
    const result = new Promise<void>((resolve, reject) => {
      const readFrom = (done: number): void => {
        read(descriptor, target, at + done, length - done, offset + done, (cause, count) => {
          if (cause !== null) reject(this.#readError(offset + done, cause))
          else if (count === 0) reject(this.#shortRead(offset, done, length))
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

  /** The file has become shorter, or has never been as long as its head says. */
  #shortRead(offset: number, found: number, expected: number): unknown {
    try {
      this.checkUnchanged(true)
    } catch (change) {
      return change
    }
    return shortRead(this.#path, offset, found, expected)
  }

  #readError(offset: number, cause: unknown): LazyRestoreError {
    const what = `${this.#path}: 0x${offset.toString(16)}: cannot read: ${(cause as Error).message}`
    return new LazyRestoreError('io', what, { cause })
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
    const { size, mtimeMs } = fstatSync(this.#small)
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
    closeSync(this.#small)
    closeSync(this.#large)
    if (this.#direct !== null) closeSync(this.#direct)
  }
}

/** Null where the file system has no O_DIRECT and it is not insisted on. */
function openDirect(open: (flags: number) => number, isNeeded: boolean): number | null {
  try {
    return open(constants.O_DIRECT)
  } catch (error) {
    if (isNeeded) throw error
    return null
  }
}

function openFor(path: string, flags: number): number {
  try {
    return openSync(path, flags)
  } catch (cause) {
    const how = (flags & constants.O_DIRECT) === 0 ? '' : ' past the page cache (O_DIRECT)'
    throw new LazyRestoreError('io', `${path}: cannot open it${how}: ${(cause as Error).message}`, { cause })
  }
}
