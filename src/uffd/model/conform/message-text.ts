/** Messages as text: `missing a.2 write t1`, `remove a.0 a.4`. */

import {
  UFFD_EVENT_FORK,
  UFFD_EVENT_PAGEFAULT,
  UFFD_EVENT_REMAP,
  UFFD_EVENT_REMOVE,
  UFFD_PAGEFAULT_FLAG_MINOR,
  UFFD_PAGEFAULT_FLAG_WP,
  UFFD_PAGEFAULT_FLAG_WRITE,
} from '../../constants.ts'
import type { MessageBuffer } from '../../kernel.ts'

export interface MessageNames {
  readonly address: (address: number) => string
  readonly thread: (id: number) => string
}

export function describeMessages(buffer: MessageBuffer, count: number, names: MessageNames): string[] {
  return Array.from({ length: count }, (_, index) => describeMessage(buffer, index, names))
}

function describeMessage(buffer: MessageBuffer, index: number, names: MessageNames): string {
  const address = names.address(buffer.address[index])
  const end = buffer.end[index]
  switch (buffer.event[index]) {
    case UFFD_EVENT_PAGEFAULT: {
      const flags = buffer.flags[index]
      const kind =
        (flags & UFFD_PAGEFAULT_FLAG_WP) !== 0 ? 'wp' : (flags & UFFD_PAGEFAULT_FLAG_MINOR) !== 0 ? 'minor' : 'missing'
      const thread = buffer.threadId[index]
      return `${kind} ${address} ${(flags & UFFD_PAGEFAULT_FLAG_WRITE) !== 0 ? 'write' : 'read'}${thread === 0 ? '' : ` ${names.thread(thread)}`}`
    }
    case UFFD_EVENT_FORK:
      return 'fork'
    case UFFD_EVENT_REMAP:
      return `remap ${address} ${names.address(end)} ${buffer.extra[index]}b`
    default:
      return `${buffer.event[index] === UFFD_EVENT_REMOVE ? 'remove' : 'unmap'} ${address} ${names.address(end)}`
  }
}
