/**
 * A client of QEMU's machine protocol: one JSON value a line, commands answered in order, events between the answers (QEMU
 * docs/interop/qmp-spec.rst). As much of it as a restore needs.
 */
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { LazyRestoreError } from '../core/error.ts'

const RETRY_MS = 5
/** A longer line is no answer to what is asked here. */
const MAX_LINE_CHARACTERS = 16 * 1024 * 1024
const LIMIT_MS = 30_000

interface Answer {
  readonly return?: unknown
  readonly error?: { readonly class: string; readonly desc: string }
  readonly event?: string
  readonly data?: unknown
}

interface Wait {
  resolve(answer: Answer): void
  reject(error: LazyRestoreError): void
}

/** An event, with the time at which it came (ms of performance.now). */
export interface QmpEvent {
  readonly name: string
  readonly data: unknown
  readonly atMs: number
}

export class Qmp {
  readonly #socket: Socket
  readonly #name: string
  readonly #waits: Wait[] = []
  readonly #events: QmpEvent[] = []
  /** Of those who wait for an event: called when there is a new one, or none can come any more. */
  readonly #onEvent = new Set<() => void>()
  #text = ''
  #failure: LazyRestoreError | null = null

  private constructor(socket: Socket, name: string) {
    this.#socket = socket
    this.#name = name
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#take(text))
    socket.on('error', cause => this.#fail(cause.message))
    socket.on('close', () => this.#fail('closed'))
  }

  /**
   * Connects to the socket of a QEMU that is starting, and enters command mode.
   * @param mayTry false: it will not open any more
   * @throws LazyRestoreError `io` when it does not open within the limit
   */
  static async connect(path: string, mayTry: () => boolean = () => true, limitMs = LIMIT_MS): Promise<Qmp> {
    const endMs = performance.now() + limitMs
    for (;;) {
      const socket = await tryConnect(path)
      if (socket !== null) {
        const qmp = new Qmp(socket, path)
        await qmp.#answer()
        await qmp.execute('qmp_capabilities')
        return qmp
      }
      if (performance.now() > endMs || !mayTry()) {
        throw new LazyRestoreError('io', `${path}: QMP: nobody opens it`)
      }
      await sleep(RETRY_MS)
    }
  }

  /** @throws LazyRestoreError `io` with QEMU's own words when it refuses */
  async execute<T = unknown>(command: string, parameters: object = {}): Promise<T> {
    const answer = this.#answer()
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: parameters })}\n`)
    const { error, return: value } = await answer
    if (error !== undefined) throw new LazyRestoreError('io', `QEMU, ${command}: ${error.desc}`)
    return value as T
  }

  /**
   * The first event of that name that has not been taken.
   * @throws LazyRestoreError `limit` when there is none within so long; `io` when QEMU has ended
   */
  async event(name: string, limitMs = LIMIT_MS): Promise<QmpEvent> {
    const endMs = performance.now() + limitMs
    for (;;) {
      const index = this.#events.findIndex(event => event.name === name)
      if (index >= 0) return this.#events.splice(index, 1)[0]
      if (this.#failure !== null) throw this.#failure
      const leftMs = endMs - performance.now()
      if (leftMs <= 0) throw new LazyRestoreError('limit', `QEMU: found no event ${name} for ${limitMs / 1000} s`)
      await new Promise<void>(resolve => {
        const goOn = (): void => {
          clearTimeout(timer)
          this.#onEvent.delete(goOn)
          resolve()
        }
        const timer = setTimeout(goOn, leftMs)
        this.#onEvent.add(goOn)
      })
    }
  }

  close(): void {
    this.#socket.destroy()
  }

  #answer(): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#failure === null) this.#waits.push({ resolve, reject })
      else reject(this.#failure)
    })
  }

  #take(text: string): void {
    this.#text += text
    const lines = this.#text.split('\n')
    this.#text = lines.pop()!
    if (this.#text.length > MAX_LINE_CHARACTERS) this.#socket.destroy(new Error('found a line without end'))
    for (const line of lines) if (line.trim() !== '') this.#takeLine(line)
  }

  #takeLine(line: string): void {
    let answer: Answer
    try {
      answer = JSON.parse(line)
    } catch {
      this.#socket.destroy(new Error('found a line that is no JSON'))
      return
    }
    if (answer.event === undefined) {
      this.#waits.shift()?.resolve(answer)
      return
    }
    this.#events.push({ name: answer.event, data: answer.data, atMs: performance.now() })
    this.#wakeAll()
  }

  #fail(reason: string): void {
    this.#failure ??= new LazyRestoreError('io', `${this.#name}: QMP: ${reason}`)
    for (const { reject } of this.#waits.splice(0)) reject(this.#failure)
    this.#wakeAll()
  }

  #wakeAll(): void {
    for (const goOn of [...this.#onEvent]) goOn()
  }
}

function tryConnect(path: string): Promise<Socket | null> {
  return new Promise(resolve => {
    const socket = connect({ path })
    socket.once('connect', () => resolve(socket.removeAllListeners('error')))
    socket.once('error', () => resolve(null))
  })
}
