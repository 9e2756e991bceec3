/**
 * A C twin that stays, and is told when to run. Starting a process forks the one that measures, and each page that this one
 * writes to afterwards costs it a fault: some ns an access, for some hundred thousand of them.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { TwinRun } from './c-twin.ts'
import { compileC } from './compile-c.ts'

const LIMIT_MS = 120_000

export class TwinProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: Interface

  /** @param file a written input */
  constructor(file: string) {
    this.#child = spawn(compileC('simulate'), [file, '-'], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface(this.#child.stdout)
  }

  /** Simulates so often, one after the other. */
  async run(rounds: number): Promise<TwinRun> {
    const line = once(this.#lines, 'line', { signal: AbortSignal.timeout(LIMIT_MS) })
    this.#child.stdin.write(`${rounds}\n`)
    return JSON.parse((await line)[0])
  }

  async close(): Promise<void> {
    const ended = once(this.#child, 'close')
    this.#child.stdin.end()
    await ended
  }
}
