/** Starts VMMs (vmm/main.ts) as processes of their own, tells them what to do, and ends them with the test. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { inject, onTestFinished } from 'vitest'
import type { Bitmap } from '../../src/core/bitmap.ts'
import { awaitAtMost, describeProcess, LIMIT_MS, linesOf } from './processes.ts'
import type { PageRun, VmmCommand, VmmConfig, VmmLine, VmmResults } from './vmm/protocol.ts'

export interface FoldOptions {
  readonly vcpus?: number
  /** All pages unless given. */
  readonly pages?: readonly PageRun[]
  readonly seed?: number
  readonly kicks?: boolean
  readonly limitMs?: number
}

export interface Inspection {
  readonly installed: Bitmap
  readonly folds: Uint32Array
}

interface Waiting {
  resolve(result: unknown): void
  reject(error: Error): void
}

export class TestVmm {
  /** When it has ended: its exit code, or the signal. */
  readonly ended: Promise<number | NodeJS.Signals>
  /** When the handler has closed the connection. */
  readonly disconnected: Promise<void>
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #pageCount: number
  readonly #waiting = new Map<number, Waiting>()
  #isDisconnected = false
  #failure: Error | null = null
  #stderr = ''
  #lastId = 0

  /** @returns when it sends the handshake */
  static async start(config: VmmConfig): Promise<TestVmm> {
    let vmm: TestVmm | null = null
    const connected = new Promise<void>((resolve, reject) => {
      vmm = new TestVmm(config, resolve, reject)
    })
    await awaitAtMost(connected, 'VMM: its handshake')
    return vmm!
  }

  private constructor(config: VmmConfig, onConnected: () => void, onFailure: (error: Error) => void) {
    this.#pageCount = config.regions.reduce((sum, bytes) => sum + bytes, 0) / 4096
    const program = join(inject('children'), 'vmm.mjs')
    const child = spawn(process.execPath, [program, JSON.stringify(config)], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child = child
    child.stdin.on('error', () => {}) // it is gone
    child.stderr.setEncoding('utf8').on('data', text => {
      this.#stderr += text
    })
    this.ended = new Promise(resolve => child.on('close', (code, signal) => resolve(code ?? signal!)))
    this.ended.then(ending => {
      this.#failure = new Error(`VMM: found it ended by ${ending}: ${this.#stderr}`)
      onFailure(this.#failure)
      for (const { reject } of this.#waiting.values()) reject(this.#failure)
      this.#waiting.clear()
    })
    let onDisconnected: () => void
    this.disconnected = new Promise(resolve => {
      onDisconnected = resolve
    })
    linesOf(child.stdout, text => {
      const line = JSON.parse(text) as VmmLine
      if ('event' in line) {
        if (line.event === 'connected') return onConnected()
        this.#isDisconnected = true
        return onDisconnected()
      }
      const waiting = this.#waiting.get(line.id)
      this.#waiting.delete(line.id)
      if ('error' in line) waiting?.reject(new Error(line.error))
      else waiting?.resolve(line.result)
    })
    // SIGKILL: nothing else ends a process whose threads sleep in faults.
    onTestFinished(async () => {
      this.kill()
      await awaitAtMost(this.ended, 'VMM: its end')
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  get isDisconnected(): boolean {
    return this.#isDisconnected
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Has a guest read each page once. Returns the fold of each page; 0 for those not asked for. */
  async fold({ vcpus = 1, pages = [[0, this.#pageCount]], limitMs, ...rest }: FoldOptions = {}): Promise<Uint32Array> {
    const { folds } = await this.#tell('fold', { do: 'fold', vcpus, pages, ...rest }, limitMs)
    return wordsOf(folds)
  }

  async remove(pages: readonly PageRun[], pauseMs = 0, limitMs?: number): Promise<void> {
    await this.#tell('remove', { do: 'remove', pages, pauseMs }, limitMs)
  }

  async write(pages: readonly PageRun[], value: number): Promise<void> {
    await this.#tell('write', { do: 'write', pages, value })
  }

  async inspect(): Promise<Inspection> {
    const { installed, folds } = await this.#tell('inspect', { do: 'inspect' })
    return { installed: wordsOf(installed), folds: wordsOf(folds) }
  }

  #tell<D extends VmmCommand['do']>(what: D, command: VmmCommand, limitMs = LIMIT_MS): Promise<VmmResults[D]> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    const id = ++this.#lastId
    const result = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
    })
    this.#child.stdin.write(`${JSON.stringify({ id, ...command })}\n`)
    return awaitAtMost(result as Promise<VmmResults[D]>, `VMM: ${what}`, limitMs, () => describeProcess(this.pid))
  }
}

function wordsOf(base64: string): Uint32Array {
  const bytes = Uint8Array.from(Buffer.from(base64, 'base64'))
  return new Uint32Array(bytes.buffer)
}
