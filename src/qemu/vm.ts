/**
 * A QEMU process that waits for a migration: started with a command line, driven by QMP, and ended whatever happens. Its sockets
 * are in a folder of their own. In the command line `@SERIAL` stands for the path of a socket on which the guest's serial port can
 * be reached, `-serial unix:@SERIAL,server=on,wait=off`, and `@AGENT` for one of its guest agent.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LazyRestoreError } from '../core/error.ts'
import { Qmp } from './qmp.ts'

export const SERIAL_PLACE = '@SERIAL'
export const AGENT_PLACE = '@AGENT'
const SERIAL_SOCKET = 'serial'
const AGENT_SOCKET = 'agent'
const QUIT_LIMIT_MS = 10_000
const POLL_MS = 2
/** What of QEMU's own messages is kept. */
const MAX_MESSAGE_CHARACTERS = 4096

export interface VmOptions {
  /** The command and its arguments, without those for QMP and the migration. */
  readonly command: readonly string[]
  /** `defer` when not given. Null: the VM does not wait for a migration, and does not run. */
  readonly incoming?: string | null
}

export class Vm {
  readonly qmp: Qmp
  /** For sockets; it goes with the VM. */
  readonly folder: string
  readonly #process: ChildProcess
  readonly #messages: { text: string }

  private constructor(process: ChildProcess, qmp: Qmp, folder: string, messages: { text: string }) {
    this.#process = process
    this.qmp = qmp
    this.folder = folder
    this.#messages = messages
  }

  /** @throws LazyRestoreError `io`, with what QEMU said, when it does not start */
  static async start({ command, incoming = 'defer' }: VmOptions): Promise<Vm> {
    const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-vm-'))
    const messages = { text: '' }
    let child: ChildProcess | null = null
    try {
      const [file, ...words] = command.map(word =>
        word.replaceAll(SERIAL_PLACE, join(folder, SERIAL_SOCKET)).replaceAll(AGENT_PLACE, join(folder, AGENT_SOCKET)),
      )
      const qmpPath = join(folder, 'qmp')
      const wait = incoming === null ? ['-S'] : ['-incoming', incoming]
      child = spawn(file, [...words, '-qmp', `unix:${qmpPath},server=on,wait=off`, ...wait], {
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      const keep = (text: string): void => {
        messages.text = (messages.text + text).slice(-MAX_MESSAGE_CHARACTERS)
      }
      child.stderr!.setEncoding('utf8').on('data', keep)
      child.on('error', cause => keep(cause.message))
      let hasEnded = false
      child.on('close', () => {
        hasEnded = true
      })
      const qmp = await Qmp.connect(qmpPath, () => !hasEnded).catch(error => {
        if (!hasEnded) throw error
        throw new LazyRestoreError('io', `${file}: ended before it could be used: ${messages.text.trim()}`)
      })
      return new Vm(child, qmp, folder, messages)
    } catch (error) {
      child?.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
  }

  get processId(): number {
    return this.#process.pid!
  }

  /** What QEMU wrote to stderr. */
  get messages(): string {
    return this.#messages.text.trim()
  }

  /** Path of the guest's serial port. */
  get serialPath(): string {
    return join(this.folder, SERIAL_SOCKET)
  }

  /** Path of the guest agent's port. */
  get agentPath(): string {
    return join(this.folder, AGENT_SOCKET)
  }

  async setCapabilities(...names: string[]): Promise<void> {
    const capabilities = names.map(capability => ({ capability, state: true }))
    await this.qmp.execute('migrate-set-capabilities', { capabilities })
  }

  /** Waits for a status of the migration. @throws LazyRestoreError `limit` */
  async awaitMigration(status: string, limitMs: number): Promise<void> {
    const endMs = performance.now() + limitMs
    for (;;) {
      const found = await this.qmp.execute<{ status?: string }>('query-migrate')
      if (found.status === status) return
      if (performance.now() > endMs) {
        throw new LazyRestoreError('limit', `QEMU: found migration status ${found.status}, expected ${status}`)
      }
      await sleep(POLL_MS)
    }
  }

  /** Stops the process at once, as a crash would. */
  async kill(): Promise<void> {
    await this.#end(true)
  }

  /** The same on the way out of this process, when there is no time to wait. */
  killNow(): void {
    this.#process.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Asks QEMU to quit, and makes it after a while. */
  async close(): Promise<void> {
    await this.#end(false)
  }

  async #end(atOnce: boolean): Promise<void> {
    const { exitCode, signalCode } = this.#process
    if (exitCode === null && signalCode === null) {
      const ended = once(this.#process, 'exit')
      if (atOnce) this.#process.kill('SIGKILL')
      else this.qmp.execute('quit').catch(() => {})
      const timer = setTimeout(() => this.#process.kill('SIGKILL'), QUIT_LIMIT_MS)
      await ended
      clearTimeout(timer)
    }
    this.qmp.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
