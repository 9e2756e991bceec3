/** The kernel of this host as a kernel that runs scripts, each in a child process that may hang or crash. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { release } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { probe } from '../../availability.ts'
import type { KernelProfile } from '../profile.ts'
import type { ConformKernel, ScriptAnswers } from './conform.ts'
import type { ChildLine } from './host-child.ts'

/** When the child's own alarm did not end it. */
const LIMIT_MS = 30_000

/** One line that says why scripts cannot run on this host's kernel; null when they can. */
export function hostProblem(): string | null {
  if (process.platform !== 'linux') return `host: found ${process.platform}, expected linux`
  if (process.arch !== 'x64')
    return `host: found ${process.arch}, expected x64 (the code of the threads that touch is for it)`
  const { koffi, userfaultfd } = probe()
  return koffi ?? userfaultfd
}

/** The profile that comes next to a kernel's version, the running one's unless told. */
export function hostProfile(version = release()): KernelProfile {
  const [major = 0, minor = 0] = version.split('.').map(part => Number.parseInt(part, 10))
  if (major > 7 || (major === 7 && minor >= 2)) return '7.3'
  return major > 6 || (major === 6 && minor > 12) ? '6.18' : '6.12'
}

export function hostKernel(): ConformKernel {
  const child = new HostChild()
  return { name: `Linux ${release()}`, run: script => child.run(script), close: () => child.close() }
}

class HostChild {
  #process: ChildProcess | null = null
  #answers: string[] = []
  /** Takes how the script that is running ended. */
  #deliver: (stopped: ScriptAnswers['stopped']) => void = () => {}

  async run(script: readonly string[]): Promise<ScriptAnswers> {
    this.#process ??= this.#start()
    const child = this.#process
    this.#answers = []
    const end = new Promise<ScriptAnswers['stopped']>(resolve => {
      this.#deliver = resolve
    })
    child.stdin!.write(`${JSON.stringify(script)}\n`)
    const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
    const stopped = await end
    clearTimeout(limit)
    if (stopped?.kind === 'died') this.#abandon(child)
    return { answers: this.#answers, stopped }
  }

  #start(): ChildProcess {
    // Run from source (under tsx or vitest) the child needs the same loader.
    const isSource = import.meta.url.endsWith('.ts')
    const entry = fileURLToPath(new URL(isSource ? './host-child.ts' : './host-child.js', import.meta.url))
    const child = spawn(process.execPath, [...(isSource ? ['--import', 'tsx'] : []), entry], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    createInterface({ input: child.stdout! }).on('line', line => {
      if (this.#process !== child) return
      const value = JSON.parse(line) as ChildLine
      if (typeof value === 'string') this.#answers.push(value)
      else this.#deliver(value.stopped)
    })
    child.stdin!.on('error', () => {}) // it died; 'close' tells
    child.on('close', (code, signal) => {
      if (this.#process !== child) return
      const hung = signal === 'SIGALRM' || signal === 'SIGKILL'
      const reason = hung ? `hung until ${signal}` : `died of ${signal ?? `exit code ${code}`}`
      this.#deliver({ kind: 'died', reason })
    })
    return child
  }

  /** Threads of its may still run, or sleep: it is of no more use. */
  #abandon(child: ChildProcess): void {
    this.#process = null
    child.kill('SIGKILL')
  }

  async close(): Promise<void> {
    const child = this.#process
    if (child === null) return
    const end = once(child, 'close')
    child.stdin!.end()
    await end
  }
}
