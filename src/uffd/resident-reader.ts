/**
 * Reads this process's memory through /proc/self/mem (proc_pid_mem(5)), which is what a check after a restore must do: such
 * a read never raises a userfaultfd fault. A page that is registered as missing and was not installed, or is poisoned,
 * cannot be read (EIO), where a load would sleep until somebody installs it, for ever if nobody does.
 *
 * So it tells a page that was installed as zero from one that was not installed, as long as the memory is registered:
 * without that, the kernel answers zeros for both.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { LazyRestoreError } from '../core/error.ts'
import { KIB } from '../core/units.ts'

const PATH = '/proc/self/mem'
const COMPARE_BYTES = 256 * KIB

/** The first place where memory is not what was expected. */
export interface Difference {
  readonly offset: number
  readonly kind: 'missing' | 'different'
}

export class ResidentReader {
  readonly #file: number
  #scratch: Buffer | null = null
  #closed = false

  /** @throws LazyRestoreError `io` when /proc is not mounted or may not be read. */
  constructor() {
    try {
      this.#file = openSync(PATH, 'r')
    } catch (cause) {
      throw new LazyRestoreError('io', `${PATH}: ${(cause as Error).message}`, { cause })
    }
  }

  /** Reads from an address on. Less than all: the page behind the last byte read cannot be read. */
  read(address: number, target: Uint8Array): number {
    let done = 0
    while (done < target.length) {
      const count = this.#readOnce(address + done, target, done)
      if (count === 0) break
      done += count
    }
    return done
  }

  /** Compares memory from an address on with what it should hold; null when it is the same. */
  compare(address: number, expected: Uint8Array): Difference | null {
    this.#scratch ??= Buffer.allocUnsafe(COMPARE_BYTES)
    for (let offset = 0; offset < expected.length; offset += COMPARE_BYTES) {
      const wanted = expected.subarray(offset, offset + COMPARE_BYTES)
      const found = this.#scratch.subarray(0, wanted.length)
      const count = this.read(address + offset, found)
      const at = firstDifference(found.subarray(0, count), wanted.subarray(0, count))
      if (at >= 0) return { offset: offset + at, kind: 'different' }
      if (count < wanted.length) return { offset: offset + count, kind: 'missing' }
    }
    return null
  }

  /** May be called twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    closeSync(this.#file)
  }

  #readOnce(address: number, target: Uint8Array, offset: number): number {
    try {
      return readSync(this.#file, target, offset, target.length - offset, address)
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException
      if (code === 'EIO' || code === 'EFAULT') return 0
      throw new LazyRestoreError('io', `${PATH}: 0x${address.toString(16)}: ${message}`, { cause })
    }
  }
}

function firstDifference(found: Buffer, wanted: Uint8Array): number {
  if (found.equals(wanted)) return -1
  return found.findIndex((byte, index) => byte !== wanted[index])
}
