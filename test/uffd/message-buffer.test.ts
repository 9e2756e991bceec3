import { describe, expect, it } from 'vitest'
import { createMessageBuffer, createRawMessages, decodeMessages } from '../../src/uffd/message-buffer.ts'

/** struct uffd_msg: the event in the first byte, then three 64-bit fields from offset 8. */
function raw(...messages: [event: number, ...fields: bigint[]][]): Uint32Array {
  const words = createRawMessages(messages.length)
  const view = new DataView(words.buffer)
  for (const [index, [event, ...fields]] of messages.entries()) {
    view.setUint8(index * 32, event)
    for (const [field, value] of fields.entries()) view.setBigUint64(index * 32 + 8 + field * 8, value, true)
  }
  return words
}

const columns = (into: ReturnType<typeof createMessageBuffer>, i: number) => ({
  event: into.event[i],
  flags: into.flags[i],
  address: into.address[i],
  end: into.end[i],
  extra: into.extra[i],
  threadId: into.threadId[i],
})
const nothing = { flags: 0, address: 0, end: 0, extra: 0, threadId: 0 }

describe('messages', () => {
  it('of all kinds are taken apart', () => {
    const into = createMessageBuffer(5)
    const words = raw(
      [0x12, 5n, 0x7fff_1234_5000n, 4711n],
      [0x13, 42n],
      [0x14, 0x7000_0000_1000n, 0x7000_0000_9000n, 0x2_0000_0000n],
      [0x15, 0x1000n, 0x7fff_ffff_f000n],
      [0x16, 0x3000n, 0x4000n],
    )
    decodeMessages(words, 5, into)
    expect([0, 1, 2, 3, 4].map(i => columns(into, i))).toEqual([
      { ...nothing, event: 0x12, flags: 5, address: 0x7fff_1234_5000, threadId: 4711 },
      { ...nothing, event: 0x13, extra: 42 },
      { ...nothing, event: 0x14, address: 0x7000_0000_1000, end: 0x7000_0000_9000, extra: 0x2_0000_0000 },
      { ...nothing, event: 0x15, address: 0x1000, end: 0x7fff_ffff_f000 },
      { ...nothing, event: 0x16, address: 0x3000, end: 0x4000 },
    ])
  })

  it('leave nothing behind from the ones before', () => {
    const into = createMessageBuffer(1)
    decodeMessages(raw([0x14, 1n, 2n, 3n]), 1, into)
    decodeMessages(raw([0x12, 1n, 4096n, 0n]), 1, into)
    expect(columns(into, 0)).toEqual({ ...nothing, event: 0x12, flags: 1, address: 4096 })
  })
})
