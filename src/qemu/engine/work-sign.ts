/**
 * How a restored VM shows that its work is done: a text on its serial port, a byte that comes back on a port that leads into it,
 * or an answer of its guest agent. Beside it, what the VM is told once it runs, for one that waits to be asked.
 */
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { LazyRestoreError } from '../../core/error.ts'
import { AGENT_PLACE, SERIAL_PLACE, type Vm } from '../vm.ts'

export type WorkSign =
  | { readonly kind: 'serial'; readonly text: string }
  /** Of this host: one that the command line forwards into the guest. */
  | { readonly kind: 'port'; readonly port: number }
  | { readonly kind: 'guest-agent' }

const LOCALHOST = '127.0.0.1'
const MAX_PORT = 65_535
/** Between two tries to connect. */
const RETRY_MS = 5
/** A connection that brings nothing for so long is given up for another. */
const PORT_TRY_MS = 2000
/** The agent may not have listened yet: it is asked again. */
const AGENT_TRY_MS = 500
/** QEMU docs/interop/qemu-ga: a byte that is in no JSON text resets the agent's parser. */
const AGENT_RESET = '\xff'
const AGENT_SYNC_ID = 20_771

/** `serial:TEXT`, `port:N` or `guest-agent`. @throws LazyRestoreError `usage` */
export function parseWorkSign(text: string, option: string): WorkSign {
  const colon = text.indexOf(':')
  const value = colon < 0 ? '' : text.slice(colon + 1)
  const kind = colon < 0 ? text : text.slice(0, colon)
  if (kind === 'guest-agent' && colon < 0) return { kind }
  if (kind === 'serial' && value !== '') return { kind, text: value }
  if (kind === 'port' && /^\d{1,5}$/.test(value) && Number(value) >= 1 && Number(value) <= MAX_PORT) {
    return { kind, port: Number(value) }
  }
  throw new LazyRestoreError('usage', `${option}: found "${text}", expected serial:TEXT, port:N or guest-agent`)
}

/** What of the command line the sign, or what is sent, needs; null where it is there. */
export function missingInCommand(sign: WorkSign, send: string | null, command: readonly string[]): string | null {
  const has = (place: string): boolean => command.some(word => word.includes(place))
  const wantsSerial = sign.kind === 'serial' || (sign.kind === 'guest-agent' && send !== null)
  if (wantsSerial && !has(SERIAL_PLACE)) return `-serial unix:${SERIAL_PLACE},server=on,wait=off`
  if (sign.kind === 'guest-agent' && !has(AGENT_PLACE)) {
    return `-chardev socket,path=${AGENT_PLACE},server=on,wait=off,id=… with a virtserialport named org.qemu.guest_agent.0`
  }
  return null
}

/** Watches one VM for the sign. */
export class WorkWatch {
  readonly #sign: WorkSign
  readonly #send: string | null
  /** Serial port or agent: connected before the VM runs, so that nothing is missed. */
  readonly #streams: Stream[]

  private constructor(sign: WorkSign, send: string | null, streams: Stream[]) {
    this.#sign = sign
    this.#send = send
    this.#streams = streams
  }

  /** @param send what the VM is told when it runs: on its serial port, or on the connection to its port */
  static async open(vm: Vm, sign: WorkSign, send: string | null): Promise<WorkWatch> {
    const streams: Stream[] = []
    if (sign.kind === 'guest-agent') streams.push(await Stream.open(vm.agentPath))
    if (sign.kind === 'serial' || (sign.kind === 'guest-agent' && send !== null)) {
      streams.push(await Stream.open(vm.serialPath))
    }
    return new WorkWatch(sign, send, streams)
  }

  /**
   * The VM runs: tells it what it waits for, and waits for the sign.
   * @returns when it came, in ms of performance.now
   * @throws LazyRestoreError `limit` when there is none within so long; `io` when the VM has ended
   */
  async done(limitMs: number): Promise<number> {
    const endMs = performance.now() + limitMs
    const sign = this.#sign
    if (sign.kind === 'port') return this.#awaitPort(sign.port, endMs)
    if (this.#send !== null) this.#streams[this.#streams.length - 1].write(this.#send)
    const [stream] = this.#streams
    if (sign.kind === 'serial') return stream.await(sign.text, endMs, `no "${sign.text}" on the serial port`)
    const answer = `{"return": ${AGENT_SYNC_ID}}`
    const ask = JSON.stringify({ execute: 'guest-sync', arguments: { id: AGENT_SYNC_ID } })
    for (;;) {
      stream.write(`${AGENT_RESET}${ask}\n`)
      const tryEndMs = Math.min(endMs, performance.now() + AGENT_TRY_MS)
      try {
        return await stream.await(answer, tryEndMs, 'no answer of the guest agent')
      } catch (error) {
        if (performance.now() >= endMs || !isLimit(error)) throw error
      }
    }
  }

  async #awaitPort(port: number, endMs: number): Promise<number> {
    for (;;) {
      const tryEndMs = Math.min(endMs, performance.now() + PORT_TRY_MS)
      const atMs = await firstByte(port, this.#send, tryEndMs)
      if (atMs !== null) return atMs
      if (performance.now() >= endMs) {
        throw new LazyRestoreError('limit', `the VM: found nothing that answers on port ${port}`)
      }
      await sleep(RETRY_MS)
    }
  }

  close(): void {
    for (const stream of this.#streams) stream.close()
  }
}

/** When the first byte came back; null when none did. */
function firstByte(port: number, send: string | null, endMs: number): Promise<number | null> {
  return new Promise(resolve => {
    const socket = connect({ host: LOCALHOST, port }, () => {
      if (send !== null) socket.write(send, 'latin1')
    })
    const finish = (atMs: number | null): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(atMs)
    }
    const timer = setTimeout(() => finish(null), Math.max(0, endMs - performance.now()))
    socket.once('data', () => finish(performance.now()))
    socket.once('error', () => finish(null))
    socket.once('close', () => finish(null))
  })
}

/** A socket of QEMU's, and what came from it that nobody has waited for yet. */
class Stream {
  readonly #socket: Socket
  #heard = ''
  #closed = false
  #onChange: (() => void) | null = null

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#closed = true
      this.#onChange?.()
    })
    socket.setEncoding('latin1').on('data', (text: string) => {
      this.#heard += text
      this.#onChange?.()
    })
  }

  static open(path: string): Promise<Stream> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path }, () => resolve(new Stream(socket.removeAllListeners('error'))))
      socket.once('error', cause => reject(new LazyRestoreError('io', `${path}: ${cause.message}`, { cause })))
    })
  }

  write(text: string): void {
    this.#socket.write(text, 'latin1')
  }

  /** Waits for a text; what came up to it is forgotten. Returns when it came. */
  async await(text: string, endMs: number, what: string): Promise<number> {
    for (;;) {
      const at = this.#heard.indexOf(text)
      if (at >= 0) {
        this.#heard = this.#heard.slice(at + text.length)
        return performance.now()
      }
      // A text that began to come may be at the end; the rest is not needed any more.
      this.#heard = this.#heard.slice(-text.length)
      if (this.#closed) throw new LazyRestoreError('io', `the VM: found ${what}: it has ended`)
      const leftMs = endMs - performance.now()
      if (leftMs <= 0) throw new LazyRestoreError('limit', `the VM: found ${what}`)
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, leftMs)
        this.#onChange = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  close(): void {
    this.#socket.destroy()
  }
}

function isLimit(error: unknown): boolean {
  return error instanceof LazyRestoreError && error.code === 'limit'
}
