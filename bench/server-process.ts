/** A server to measure: the built one, as a process of its own, on one core if the host can pin it there. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Client, createClient } from 'lazyrestore/client'

const MAIN = new URL('../dist/cli/main.js', import.meta.url).pathname
/** USER_HZ: what /proc counts CPU time in, on every Linux that Node runs on. */
const TICKS_PER_S = 100
const START_LIMIT_MS = 20_000

/** The server's core, and those that are left for who asks; null: there is but one, or nothing to pin with. */
function splitCores(): { readonly server: string; readonly rest: string } | null {
  const cores = availableParallelism()
  if (cores < 2) return null
  try {
    execFileSync('taskset', ['--version'])
  } catch {
    return null
  }
  return { server: '0', rest: `1-${cores - 1}` }
}

export class ServerProcess {
  readonly url: string
  readonly client: Client
  /** All its threads share one core, on which this process does not run. */
  readonly pinned: boolean
  readonly #child: ChildProcess
  readonly #folder: string

  /** @param onOneCore where that can be had; see `pinned` */
  static async start({ onOneCore }: { onOneCore: boolean }): Promise<ServerProcess> {
    const cores = onOneCore ? splitCores() : null
    const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-bench-'))
    const serve = [process.execPath, MAIN, 'serve', '--port', '0', '--data-dir', folder]
    const [command, ...args] = cores === null ? serve : ['taskset', '-c', cores.server, ...serve]
    if (cores !== null) execFileSync('taskset', ['-apc', cores.rest, String(process.pid)])
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] })
    const late = setTimeout(() => child.kill('SIGKILL'), START_LIMIT_MS)
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    clearTimeout(late)
    return new ServerProcess(line.replace(/^listening on /, ''), child, folder, cores !== null)
  }

  private constructor(url: string, child: ChildProcess, folder: string, pinned: boolean) {
    this.url = url
    this.client = createClient({ baseUrl: url })
    this.pinned = pinned
    this.#child = child
    this.#folder = folder
  }

  /** CPU time of all its threads so far, in s, in steps of 10 ms. */
  get cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S
  }

  /** Resident memory, in bytes. */
  get residentBytes(): number {
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.#child.pid}/status`, 'utf8'))!
    return Number(kib) * 1024
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'close')
    this.#child.kill('SIGTERM')
    await ended
    rmSync(this.#folder, { recursive: true, force: true })
    if (this.pinned) execFileSync('taskset', ['-apc', `0-${availableParallelism() - 1}`, String(process.pid)])
  }
}
