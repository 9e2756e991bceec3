/** Starts the built `lazyrestore uffd-handler` as processes of its own, the supervisor and the one that serves, and ends them with the test. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { onTestFinished } from 'vitest'
import type { VmReport, VmStatus } from '../../src/uffd/service/vm-report.ts'
import { awaitAtMost, linesOf, until } from './processes.ts'
import { testFolder } from './snapshots.ts'

const MAIN = resolve(import.meta.dirname, '../../dist/cli/main.js')

/** A line of its stdout. */
export type HandlerEvent =
  | { readonly event: 'listening'; readonly socket: string }
  | ({ readonly event: 'vm' } & VmReport)
  | { readonly event: 'refused'; readonly pid: number; readonly reason: string; readonly killed: boolean }
  | { readonly event: 'status'; readonly vms: readonly VmStatus[] }
type EventOf<E extends HandlerEvent['event']> = Extract<HandlerEvent, { event: E }>

export class TestHandler {
  readonly socket: string
  /** When it has ended: its exit code, or the signal. */
  readonly ended: Promise<number | NodeJS.Signals>
  /** Rejects at its end, with what it said. */
  readonly failed: Promise<never>
  readonly events: HandlerEvent[] = []
  readonly stderr: string[] = []
  readonly #child: ChildProcessByStdio<null, Readable, Readable>
  #server = 0
  #isEnded = false

  /** Starts it; VMMs wait until it listens by themselves. */
  constructor(snapshot: string, ...options: readonly string[]) {
    this.socket = join(testFolder(), 'uffd.sock')
    const command = [MAIN, 'uffd-handler', '--socket', this.socket, '--snapshot', snapshot, ...options]
    this.#child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.ended = new Promise(resolve => this.#child.on('close', (code, signal) => resolve(code ?? signal!)))
    this.failed = this.ended.then(ending => {
      this.#isEnded = true
      throw new Error(`handler: found it ended by ${ending}: ${this.stderr.join('\n')}`)
    })
    this.failed.catch(() => {})
    linesOf(this.#child.stdout, line => {
      this.events.push(JSON.parse(line))
    })
    linesOf(this.#child.stderr, line => this.stderr.push(line))
    onTestFinished(async () => {
      this.#server ||= childOf(this.pid)
      for (const pid of [this.#server, this.pid]) if (pid > 0 && !this.#isEnded) signalIfThere(pid, 'SIGKILL')
      await awaitAtMost(this.ended, 'handler: its end')
    })
  }

  /** @throws Error with what it said when it has ended instead */
  async listens(): Promise<this> {
    await Promise.race([this.event('listening'), this.failed])
    this.#server = childOf(this.pid)
    return this
  }

  /** Of the process that was started: the supervisor. */
  get pid(): number {
    return this.#child.pid!
  }

  /** Of the process that serves, once it listens. */
  get serverPid(): number {
    return this.#server
  }

  /** Nobody reads what it says any more. */
  closeOutput(): void {
    this.#child.stdout.destroy()
    this.#child.stderr.destroy()
  }

  eventsOf<E extends HandlerEvent['event']>(kind: E): readonly EventOf<E>[] {
    return this.events.filter((event): event is EventOf<E> => event.event === kind)
  }

  /** Waits for as many events of a kind, and returns the last. */
  async event<E extends HandlerEvent['event']>(kind: E, count = 1): Promise<EventOf<E>> {
    await until(() => this.eventsOf(kind).length >= count, `${kind} event of the handler`)
    return this.eventsOf(kind)[count - 1]
  }

  /** Of the process that serves: open descriptors and threads. */
  get resources(): { readonly descriptors: number; readonly threads: number } {
    const count = (folder: string) => readdirSync(`/proc/${this.#server}/${folder}`).length
    return { descriptors: count('fd'), threads: count('task') }
  }
}

function childOf(pid: number): number {
  try {
    return Number.parseInt(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1'), 10) || 0
  } catch {
    return 0
  }
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Ended meanwhile.
  }
}
