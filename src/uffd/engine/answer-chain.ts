/**
 * What a handler asks of the kernel from one message to the next, as a chain of calls: read a page's bytes, install them, wait,
 * read the next messages. Installs are *put off* until the handler waits, so that the faults of one read take one crossing into
 * the kernel.
 *
 * Nothing that goes another way than most is dealt with here: a call that does not answer as it should ends the chain, and the
 * installs from there on have to be done again, step by step.
 */
import { constants } from 'node:os'
import { OP_COPY, OP_ZEROPAGE, type Operation } from '../../resolver/resolver.ts'
import type { CallChain } from '../call-chain.ts'
import type { MessageBuffer } from '../kernel.ts'
import type { Userfaultfd } from '../userfaultfd.ts'
import type { PageReader } from './page-reader.ts'

const { EAGAIN, EBADF } = constants.errno

/** How many installs can be put off: the first one should not wait long for the last one to be planned. */
const MOST_INSTALLS = 8
/** An install may have a read before it; a read of messages, the wait and another read come at the end. */
export const ANSWER_ROWS = 2 * MOST_INSTALLS + 3
/** Of the first install, with or without a read: alone, as it mostly is, it leaves the rows of the wait where they are. */
const FIRST_INSTALL = 1

export class AnswerChain {
  /** errno where `await` returned 0, as of a FaultChannel's `poll`. */
  errno = 0
  /** What `await` returned was there before it waited. */
  wasThere = false
  /** Installs that are put off, or were made and have not been settled. */
  count = 0
  readonly #chain: CallChain
  readonly #uffd: Userfaultfd
  readonly #reader: PageReader
  /** The row of each install, in order. */
  readonly #installRow = new Uint8Array(MOST_INSTALLS)
  /** Behind the last install's row. */
  #end = FIRST_INSTALL + 1
  /** Rows up to here went well, or are none. */
  #made = FIRST_INSTALL + 1
  /** The row there did not. */
  #failed = false
  /** Where the rows of a wait are, and what they were filled for; 0: nowhere. */
  #wait = 0
  #readsFirst = false
  #timeoutMs = 0
  #into: MessageBuffer | null = null

  constructor(chain: CallChain, uffd: Userfaultfd, reader: PageReader) {
    this.#chain = chain
    this.#uffd = uffd
    this.#reader = reader
  }

  /** No other install can be put off before these are settled. */
  get isFull(): boolean {
    return this.count === MOST_INSTALLS
  }

  /**
   * Puts an install off, unless it is full.
   * @param source address of the bytes; of a COPY from the snapshot also where they are read to, right before
   * @param offset where they are in the snapshot's file
   * @returns false: it is none for a chain
   */
  putOff(op: Operation, destination: number, source: number, length: number, offset: number): boolean {
    const reads = op === OP_COPY
    const first = this.count > 0 ? this.#end : reads ? FIRST_INSTALL - 1 : FIRST_INSTALL
    const row = reads ? first + 1 : first
    if (row >= this.#wait) this.#wait = 0
    if (reads && !this.#reader.chain?.(this.#chain, first, offset, source, length)) return false
    if (op === OP_ZEROPAGE) this.#uffd.chainZeropage(this.#chain, row, destination, length)
    else this.#uffd.chainCopy(this.#chain, row, destination, source, length)
    if (this.count === 0) this.#made = first
    this.#installRow[this.count++] = row
    this.#end = row + 1
    return true
  }

  /**
   * How many of the installs that were put off went well, in their order: all, or those before the first that did not. They are
   * made now if they were not yet, and nothing is put off any more.
   * @param beforeInstall called when an install's bytes are there; null: nobody wants to know, which spares crossings
   */
  settle(beforeInstall: (() => void) | null = null): number {
    if (beforeInstall !== null) this.#runOneByOne(beforeInstall)
    this.#run(this.#end)
    let well = this.count
    while (well > 0 && this.#installRow[well - 1] >= this.#made) well--
    this.count = 0
    this.#end = FIRST_INSTALL + 1
    this.#made = this.#end
    this.#failed = false
    return well
  }

  /**
   * Makes the installs that were put off; if they go well waits for messages, and reads those that are there.
   * @param readsFirst they are asked for before anything waits, which spares a call where they are there
   */
  await(timeoutMs: number, into: MessageBuffer, readsFirst = false): number {
    this.wasThere = false
    if (this.#uffd.descriptor < 0) return this.#noMessage(EBADF) // poll(2) would skip it and sleep
    const end = this.#end
    const isFilled =
      end === this.#wait && readsFirst === this.#readsFirst && timeoutMs === this.#timeoutMs && into === this.#into
    if (!isFilled) this.#fillWait(timeoutMs, into, readsFirst)
    const poll = readsFirst ? end + 1 : end
    const well = this.#run(poll + 2)
    this.wasThere = readsFirst && this.#made === end
    this.#made = Math.min(this.#made, end)
    if (!well) return this.#noMessage(EAGAIN)
    const read = this.wasThere ? end : poll + 1
    const count =
      this.wasThere || this.#uffd.chainedPoll(this.#chain, poll) ? this.#uffd.chainedRead(this.#chain, read, into) : 0
    this.errno = this.#uffd.errno
    return count
  }

  #fillWait(timeoutMs: number, into: MessageBuffer, readsFirst: boolean): void {
    this.#wait = this.#end
    this.#readsFirst = readsFirst
    this.#timeoutMs = timeoutMs
    this.#into = into
    let row = this.#end
    if (readsFirst) this.#uffd.chainRead(this.#chain, row++, into, EAGAIN)
    this.#uffd.chainPoll(this.#chain, row++, timeoutMs)
    this.#uffd.chainRead(this.#chain, row, into)
  }

  #noMessage(errno: number): 0 {
    this.errno = errno
    return 0
  }

  #runOneByOne(beforeInstall: () => void): void {
    for (let i = 0; i < this.count; i++) {
      const row = this.#installRow[i]
      if (this.#made > row) continue
      if (!this.#run(row)) return
      beforeInstall()
    }
  }

  /** Up to `end`. @returns whether all went well; a wait may end without a message */
  #run(end: number): boolean {
    if (this.#failed) return false
    if (this.#made < end) this.#made += this.#chain.run(this.#made, end)
    this.#failed = this.#made < Math.min(end, this.#end)
    return !this.#failed
  }
}
