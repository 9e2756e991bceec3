/**
 * What a handler asks of the kernel from one message to the next, as a chain of calls: read a page's bytes, install them, wait,
 * read the next messages. An install is *put off* until the handler waits, so that a fault takes one crossing into the kernel.
 *
 * Nothing that goes another way than most is dealt with here: a call that does not answer as it should ends the chain, and the
 * install has to be done again, step by step.
 */
import { constants } from 'node:os'
import { OP_COPY, OP_ZEROPAGE, type Operation } from '../../resolver/resolver.ts'
import type { CallChain } from '../call-chain.ts'
import type { MessageBuffer } from '../kernel.ts'
import type { Userfaultfd } from '../userfaultfd.ts'
import type { PageReader } from './page-reader.ts'

const { EAGAIN, EBADF } = constants.errno

/** Rows of the chain. What is made is always a part of them without a gap. */
const READ = 0
const INSTALL = 1
const WAIT = 2
const END = 4
export const ANSWER_ROWS = END

export class AnswerChain {
  /** errno where `await` returned 0, as of a FaultChannel's `poll`. */
  errno = 0
  readonly #chain: CallChain
  readonly #uffd: Userfaultfd
  readonly #reader: PageReader
  /** The first row to be made; WAIT: nothing is put off. */
  #first = WAIT
  #wentWell = false
  /** What the rows of the wait were filled for. */
  #timeoutMs = -1
  #into: MessageBuffer | null = null

  constructor(chain: CallChain, uffd: Userfaultfd, reader: PageReader) {
    this.#chain = chain
    this.#uffd = uffd
    this.#reader = reader
  }

  /**
   * Puts an install off; nothing may be put off already.
   * @param source address of the bytes; of a COPY from the snapshot also where they are read to
   * @param offset where they are in the snapshot's file
   * @returns false: it is none for a chain
   */
  putOff(op: Operation, destination: number, source: number, length: number, offset: number): boolean {
    const reads = op === OP_COPY
    if (reads && !this.#reader.chain?.(this.#chain, READ, offset, source, length)) return false
    if (op === OP_ZEROPAGE) this.#uffd.chainZeropage(this.#chain, INSTALL, destination, length)
    else this.#uffd.chainCopy(this.#chain, INSTALL, destination, source, length)
    this.#first = reads ? READ : INSTALL
    return true
  }

  /**
   * Whether the install that was put off last went well; made now if it was not yet.
   * @param beforeInstall called when its bytes are there; null: nobody wants to know, which spares a crossing
   */
  settle(beforeInstall: (() => void) | null = null): boolean {
    if (beforeInstall !== null) {
      if (this.#first === READ && !this.#run(INSTALL)) return false
      if (this.#first === INSTALL) beforeInstall()
    }
    if (this.#first < WAIT) this.#run(WAIT)
    return this.#wentWell
  }

  /** Makes the install that was put off, if any and if it goes well waits for messages, and reads those that are there. */
  await(timeoutMs: number, into: MessageBuffer): number {
    if (this.#uffd.descriptor < 0) return this.#noMessage(EBADF) // poll(2) would skip it and sleep
    if (timeoutMs !== this.#timeoutMs || into !== this.#into) {
      this.#uffd.chainMessages(this.#chain, WAIT, timeoutMs, into)
      this.#timeoutMs = timeoutMs
      this.#into = into
    }
    this.#run(END)
    if (!this.#wentWell) return this.#noMessage(EAGAIN)
    const count = this.#uffd.chainedMessages(this.#chain, WAIT, into)
    this.errno = this.#uffd.errno
    return count
  }

  #noMessage(errno: number): 0 {
    this.errno = errno
    return 0
  }

  /** Up to `end`. @returns whether as much of it went well as may be expected: a wait may end without a message */
  #run(end: number): boolean {
    const expected = end < WAIT ? end : WAIT
    this.#wentWell = this.#first + this.#chain.run(this.#first, end) >= expected
    this.#first = this.#wentWell ? expected : WAIT
    return this.#wentWell
  }
}
