/**
 * Reads a file straight into memory at an address, on the thread that asks: pread(2), buffered or past the page cache
 * (O_DIRECT, open(2)). The resolver's loop cannot await, and the bytes need no copy of their own.
 */
import { constants } from 'node:fs'
import { LazyRestoreError } from '../../core/error.ts'
import { CALL_PREAD, type CallChain } from '../call-chain.ts'
import { errnoName, O_CLOEXEC } from '../constants.ts'
import { type Libc, libc } from '../native.ts'

/** Not the same on every architecture. */
const { O_DIRECT, O_RDONLY } = constants
/** What O_DIRECT asks offsets, lengths and addresses to be multiples of; 512 is enough for most devices, not for all. */
export const DIRECT_ALIGNMENT = 4096
const EINTR = 4

export interface PageReader {
  /**
   * Fills `length` bytes at `address` with the bytes from `offset` on.
   * @param origin which file, for a reader of several
   * @throws LazyRestoreError `io` that names file, offset and what was found
   */
  read(offset: number, address: number, length: number, origin: number): void
  /**
   * Makes a row of a chain this read, which the chain goes on after when all bytes were there; false: the reader cannot, or the
   * read is one that fails.
   */
  chain?(chain: CallChain, row: number, offset: number, address: number, length: number): boolean
  close(): void
}

export class FileReader implements PageReader {
  readonly #path: string
  readonly #libc: Libc
  readonly #direct: boolean
  readonly #start: number
  #descriptor: number

  /**
   * @param start what offset 0 of a read means in the file
   * @throws LazyRestoreError `io`; with `direct` also when the file system has no O_DIRECT
   */
  constructor(path: string, direct: boolean, start = 0) {
    this.#path = path
    this.#direct = direct
    this.#start = start
    this.#libc = libc()
    this.#descriptor = this.#libc.open(path, O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0))
    if (this.#descriptor < 0) throw this.#failure('open', `found ${errnoName(this.#libc.errno())}`)
  }

  read(from: number, address: number, length: number): void {
    const offset = this.#start + from
    if (this.#direct && (offset % DIRECT_ALIGNMENT !== 0 || length % DIRECT_ALIGNMENT !== 0)) {
      const found = `found a direct read of ${length} bytes at ${offset}`
      throw this.#failure('pread', `${found}, expected multiples of ${DIRECT_ALIGNMENT}`)
    }
    for (let done = 0; done < length; ) {
      const count = this.#libc.pread(this.#descriptor, address + done, length - done, offset + done)
      if (count > 0) done += count
      else if (count === 0) throw this.#failure(`offset ${offset}`, `found ${done} bytes, expected ${length}`)
      else {
        const errno = this.#libc.errno()
        if (errno !== EINTR) throw this.#failure(`offset ${offset + done}`, `cannot read: ${errnoName(errno)}`)
      }
    }
  }

  chain(chain: CallChain, row: number, from: number, address: number, length: number): boolean {
    const offset = this.#start + from
    if (this.#direct && (offset % DIRECT_ALIGNMENT !== 0 || length % DIRECT_ALIGNMENT !== 0)) return false
    chain.set(row, CALL_PREAD, length, this.#descriptor, address, length, offset)
    return true
  }

  /** May be called twice. */
  close(): void {
    if (this.#descriptor >= 0) this.#libc.close(this.#descriptor)
    this.#descriptor = -1
  }

  #failure(where: string, what: string): LazyRestoreError {
    return new LazyRestoreError('io', `${this.#path}: ${where}${this.#direct ? ' (O_DIRECT)' : ''}: ${what}`)
  }
}
