/**
 * Reads a stream of server-sent events (HTML Living Standard, 9.2.6). Not EventSource: that one can neither send a token
 * nor be aborted by a signal, and Node 20 has none.
 */

export interface ServerEvent {
  readonly event: string
  /** The parsed JSON. */
  readonly data: unknown
}

/** Longest event; a server that sends more is not ours. */
const MAX_EVENT_CHARACTERS = 64 * 1024 * 1024

export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent, void> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let pending = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      pending += decoder.decode(value, { stream: true })
      if (pending.length > MAX_EVENT_CHARACTERS) throw new Error('found an event without an end, expected a blank line')
      const blocks = pending.split('\n\n')
      pending = blocks.pop()!
      for (const block of blocks) {
        const event = parseEvent(block)
        if (event !== null) yield event
      }
    }
  } finally {
    // Also when the consumer breaks off: the connection must not stay open.
    await reader.cancel().catch(() => {})
  }
}

/** One block of lines; null for a comment, as heartbeats are. */
function parseEvent(block: string): ServerEvent | null {
  let event = 'message'
  const data: string[] = []
  for (const line of block.split('\n')) {
    if (line.startsWith('event:')) event = line.slice(6).trim()
    else if (line.startsWith('data:')) data.push(line.slice(5).trimStart())
  }
  return data.length === 0 ? null : { event, data: JSON.parse(data.join('\n')) }
}
