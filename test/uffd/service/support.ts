/** The command as a process, and VMMs as processes, for tests of the service. All end with the test. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { inject, onTestFinished } from 'vitest'
import type { TinyVmmOptions } from './tiny-vmm.ts'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..')
export const PAGE = 4096
/** Longest wait for anything that happens at once. */
const LIMIT_MS = 15_000

/** A line of the service, or of a VMM. */
// biome-ignore lint/suspicious/noExplicitAny: what a test expects to be there
export type Line = any

/** A process that says a JSON line at a time. */
export class Talker {
  readonly child: ChildProcess
  readonly #lines: Line[] = []
  readonly #waiting: (() => void)[] = []
  #stderr = ''
  /** [exit code, signal]. */
  readonly exit: Promise<[number | null, NodeJS.Signals | null]>

  constructor(parameters: readonly string[]) {
    this.child = spawn(process.execPath, parameters, { cwd: ROOT, stdio: 'pipe' })
    this.exit = once(this.child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
    createInterface({ input: this.child.stdout! }).on('line', line => {
      this.#lines.push(JSON.parse(line))
      this.#wake()
    })
    this.child.stderr!.on('data', data => {
      this.#stderr += data
      this.#wake()
    })
    this.child.stdin!.on('error', () => {})
    this.exit.then(() => this.#wake())
    onTestFinished(async () => {
      this.child.kill('SIGKILL')
      await this.exit
    })
  }

  get stderr(): string {
    return this.#stderr
  }

  /** The next line that is of this kind, if one is named. */
  async next(event?: string): Promise<Line> {
    await this.until(() => this.#lines.some(line => event === undefined || line.event === event), `a line "${event}"`)
    const at = this.#lines.findIndex(line => event === undefined || line.event === event)
    return this.#lines.splice(at, 1)[0]
  }

  async says(pattern: RegExp): Promise<void> {
    await this.until(() => pattern.test(this.#stderr), `stderr to be ${pattern}`)
  }

  send(line: string): void {
    this.child.stdin!.write(`${line}\n`)
  }

  async ask(line: string): Promise<Line> {
    this.send(line)
    return this.next()
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + LIMIT_MS
    while (!condition()) {
      const left = deadline - Date.now()
      const hasEnded = this.child.exitCode !== null || this.child.signalCode !== null
      if (left <= 0 || (hasEnded && this.child.stdout!.readableEnded)) {
        throw new Error(`waited for ${what}; ended: ${hasEnded}; stderr: ${this.#stderr}`)
      }
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, Math.min(left, 200))
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

export interface Service {
  readonly talker: Talker
  readonly socket: string
  readonly folder: string
  readonly memory: Buffer
  /** The process that serves, the supervisor's child where there is one. */
  readonly handlerPid: number
  vmm(options: TinyVmmOptions): Promise<Talker>
}

/** `pages` pages, two of three with contents. */
export function memoryOf(pages: number): Buffer {
  const memory = Buffer.alloc(pages * PAGE)
  for (let page = 0; page < pages; page++) {
    if (page % 3 === 0) continue
    memory.fill(page & 255 || 7, page * PAGE, (page + 1) * PAGE)
    memory.writeUInt32LE(page + 1, page * PAGE)
  }
  return memory
}

/** @param options.snapshot another one than a raw file of the memory */
export async function startService(
  memory: Buffer,
  parameters: readonly string[],
  { expectListening = true, snapshot = '' } = {},
): Promise<Service> {
  const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-service-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'vm.mem')
  writeFileSync(file, memory)
  const socket = join(folder, 'uffd.sock')
  const command = ['dist/cli/main.js', 'uffd-handler', '--socket', socket, '--snapshot', snapshot || `raw:${file}`]
  const talker = new Talker([...command, ...parameters.map(text => text.replace('FOLDER', folder))])
  if (expectListening) await talker.next('listening')
  const isSupervised = !parameters.includes('--no-supervisor')
  const pid = talker.child.pid!
  const handlerPid = isSupervised && expectListening ? childOf(pid) : pid
  if (handlerPid !== pid) onTestFinished(() => endOrphan(handlerPid))
  return {
    talker,
    socket,
    folder,
    memory,
    handlerPid,
    async vmm(options) {
      const vmm = new Talker([join(inject('children'), 'tiny-vmm.mjs'), socket, JSON.stringify(options)])
      await vmm.next()
      return vmm
    },
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The exit of a process, within a time. */
export async function ended(talker: Talker): Promise<[number | null, NodeJS.Signals | null]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still runs; stderr: ${talker.stderr}`)), LIMIT_MS)
  })
  return Promise.race([talker.exit, late]).finally(() => clearTimeout(timer))
}

function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ')[0])
}

/** The supervisor was killed at the end of the test; its handler ends by itself once its VMs have. */
function endOrphan(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has.
  }
}
