/**
 * What a VMM sends when it has loaded a snapshot: the message of guest-regions.ts and, as SCM_RIGHTS beside some of its bytes,
 * the userfaultfd that its memory is registered with. Bytes may come in pieces and the descriptor late; other descriptors may
 * come along (E2B's Firecracker sends its memfd), which are closed.
 */
import { readFileSync } from 'node:fs'
import { LazyRestoreError } from '../../core/error.ts'
import {
  UFFD_FEATURE_EVENT_FORK,
  UFFD_FEATURE_EVENT_REMAP,
  UFFD_FEATURE_EVENT_REMOVE,
  UFFD_FEATURE_EVENT_UNMAP,
  UFFD_FEATURE_SIGBUS,
} from '../constants.ts'
import { libc } from '../native.ts'
import { receiveWithDescriptors } from '../scm-rights.ts'
import { POLLIN, POLLRDHUP } from '../unix-socket.ts'
import { Userfaultfd } from '../userfaultfd.ts'
import { isUserfaultfd } from '../userfaultfd-descriptor.ts'
import { endOfArray, type GuestRegion, MAX_MESSAGE_BYTES, parseRegions } from './guest-regions.ts'
import type { Poller, Watch } from './poller.ts'

export interface Handshake {
  readonly regions: readonly GuestRegion[]
  /** The receiver's to close. */
  readonly userfaultfd: Userfaultfd
  /** The VMM has asked for REMOVE events. */
  readonly events: boolean
}

/** What has come so far. */
export class HandshakeReader {
  readonly #bytes = new Uint8Array(MAX_MESSAGE_BYTES)
  #length = 0
  #end: number | null = null
  #userfaultfd: Userfaultfd | null = null
  #others = 0

  /** A userfaultfd has come: whoever sent it waits for somebody to serve it. */
  get hasUserfaultfd(): boolean {
    return this.#userfaultfd !== null
  }

  /**
   * Takes what the socket has. True: all is there.
   * @throws LazyRestoreError `format` when it cannot become a handshake any more; `io`
   */
  receive(socketFd: number): boolean {
    for (;;) {
      const received = receiveWithDescriptors(socketFd, this.#bytes.subarray(this.#length))
      if (received === null) return false
      for (const descriptor of received.descriptors) this.#take(descriptor)
      if (received.byteLength === 0) this.#refuse('found the connection closed')
      this.#length += received.byteLength
      this.#end ??= endOfArray(this.#bytes.subarray(0, this.#length))
      if (this.#end !== null && this.#userfaultfd !== null) return true
      if (this.#length === this.#bytes.length) this.#refuse('found no end of it')
    }
  }

  /** @throws LazyRestoreError `format` for a message, or a userfaultfd, that cannot be served */
  finish(): Handshake {
    const text = Buffer.from(this.#bytes.subarray(0, this.#end!)).toString('utf8')
    const trailing = Buffer.from(this.#bytes.subarray(this.#end!, this.#length)).toString('latin1').trim()
    if (trailing !== '') this.#refuse(`found ${trailing.length} bytes behind its end`)
    const regions = parseRegions(text)
    const userfaultfd = this.#userfaultfd!
    return { regions, userfaultfd, events: checkFeatures(userfaultfd) }
  }

  /** Why it is not complete. @throws always */
  giveUp(limitMs: number): never {
    return this.#refuse(`found no more within ${limitMs / 1000} s`)
  }

  /** Closes what has come, for who does not want it. */
  close(): void {
    this.#userfaultfd?.close()
  }

  #take(descriptor: number): void {
    if (this.#userfaultfd === null && isUserfaultfd(descriptor)) {
      this.#userfaultfd = Userfaultfd.fromDescriptor(descriptor)
    } else {
      this.#others++
      libc().close(descriptor)
    }
  }

  #refuse(found: string): never {
    const others = this.#others > 0 ? `, ${this.#others} other descriptors` : ''
    const what = `${this.#length} bytes${this.#end === null ? ', no whole array' : ''}${others}`
    const and = this.#userfaultfd === null ? 'no userfaultfd' : 'a userfaultfd'
    throw new LazyRestoreError(
      'format',
      `handshake: ${found} after ${what} and ${and}, expected a JSON array of at most ${MAX_MESSAGE_BYTES} bytes with a userfaultfd`,
    )
  }
}

/**
 * Reads until the handshake is complete.
 * @throws LazyRestoreError `format`; when its time is up as well. What has come is the reader's to close then
 */
export function readHandshake(
  reader: HandshakeReader,
  socketFd: number,
  poller: Poller,
  limitMs: number,
): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    let watch: Watch | null = null
    const attempt = (step: () => void): void => {
      try {
        step()
      } catch (error) {
        watch?.close()
        clearTimeout(timer)
        reject(error)
      }
    }
    const timer = setTimeout(() => attempt(() => reader.giveUp(limitMs)), limitMs)
    watch = poller.watch(socketFd, POLLIN | POLLRDHUP, () =>
      attempt(() => {
        if (!reader.receive(socketFd)) return
        watch?.close()
        clearTimeout(timer)
        resolve(reader.finish())
      }),
    )
  })
}

/** Events that change which address is which page; a service that took them for granted would put bytes in wrong places. */
const REFUSED: Readonly<Record<string, number>> = {
  EVENT_FORK: UFFD_FEATURE_EVENT_FORK,
  EVENT_REMAP: UFFD_FEATURE_EVENT_REMAP,
  EVENT_UNMAP: UFFD_FEATURE_EVENT_UNMAP,
  SIGBUS: UFFD_FEATURE_SIGBUS,
}

/** Whether REMOVE events are on. @throws LazyRestoreError `unsupported` */
function checkFeatures({ descriptor }: Userfaultfd): boolean {
  const features = featuresOf(descriptor)
  if (features === null) return true
  const found = Object.keys(REFUSED).filter(name => (features & REFUSED[name]) !== 0)
  if (found.length > 0) {
    const names = found.map(name => `UFFD_FEATURE_${name}`).join(' and ')
    throw new LazyRestoreError('unsupported', `handshake: found a userfaultfd with ${names}, expected none of them`)
  }
  return (features & UFFD_FEATURE_EVENT_REMOVE) !== 0
}

/** What `api` was asked for (proc_pid_fdinfo(5), fs/userfaultfd.c); null where the kernel tells it in another way. */
function featuresOf(descriptor: number): number | null {
  const text = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1')
  const match = /^API:\s*[0-9a-f]+:([0-9a-f]+):/m.exec(text)
  return match === null ? null : Number.parseInt(match[1], 16) & 0x7fffffff
}
