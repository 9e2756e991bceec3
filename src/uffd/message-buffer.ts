/** The messages of one read(2) from a userfaultfd: struct uffd_msg (userfaultfd(2)) taken apart into columns. */
import {
  UFFD_EVENT_FORK,
  UFFD_EVENT_PAGEFAULT,
  UFFD_EVENT_REMAP,
  UFFD_EVENT_REMOVE,
  UFFD_EVENT_UNMAP,
  UFFD_MSG_BYTES,
} from './constants.ts'
import type { MessageBuffer } from './kernel.ts'

/** 32-bit words of a message; addresses are two of them, the low one first. */
const WORDS = UFFD_MSG_BYTES / 4

export function createMessageBuffer(capacity: number): MessageBuffer {
  return {
    capacity,
    event: new Uint8Array(capacity),
    flags: new Uint32Array(capacity),
    address: new Float64Array(capacity),
    end: new Float64Array(capacity),
    extra: new Float64Array(capacity),
    threadId: new Uint32Array(capacity),
  }
}

/** What `decodeMessages` decodes from: room for that many messages as the kernel writes them. */
export function createRawMessages(capacity: number): Uint32Array {
  return new Uint32Array(capacity * WORDS)
}

/** Takes apart the first `count` messages. Columns that a message's kind does not have are 0. */
export function decodeMessages(raw: Uint32Array, count: number, into: MessageBuffer): void {
  for (let i = 0; i < count; i++) {
    const word = i * WORDS
    const event = raw[word] & 0xff
    const isFault = event === UFFD_EVENT_PAGEFAULT
    const isFork = event === UFFD_EVENT_FORK
    const isRange = event === UFFD_EVENT_REMAP || event === UFFD_EVENT_REMOVE || event === UFFD_EVENT_UNMAP
    into.event[i] = event
    into.flags[i] = isFault ? raw[word + 2] : 0
    into.threadId[i] = isFault ? raw[word + 6] : 0
    into.address[i] = isFault ? uint64(raw, word + 4) : isRange ? uint64(raw, word + 2) : 0
    into.end[i] = isRange ? uint64(raw, word + 4) : 0
    into.extra[i] = isFork ? raw[word + 2] : event === UFFD_EVENT_REMAP ? uint64(raw, word + 6) : 0
  }
}

function uint64(words: Uint32Array, low: number): number {
  return words[low] + words[low + 1] * 2 ** 32
}
