/** A process that does one job after the other, for work that may take its process along. It is started when it is needed. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Job, JobKind, JobReply } from './job.ts'

export class JobProcess {
  readonly #entry: string
  #child: ChildProcess | null = null

  constructor(entry: URL) {
    this.#entry = fileURLToPath(entry)
  }

  /** One job at a time. When the signal aborts, the process is killed. */
  run<K extends JobKind>(job: Job, signal: AbortSignal): Promise<JobReply<K>> {
    signal.throwIfAborted()
    this.#child ??= fork(this.#entry, [], {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const child = this.#child
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        finish()
        this.close()
        reject(signal.reason)
      }
      const onMessage = (reply: unknown): void => {
        finish()
        resolve(reply as JobReply<K>)
      }
      const onExit = (code: number | null, end: NodeJS.Signals | null): void => {
        finish()
        if (this.#child === child) this.#child = null
        reject(new Error(`job process: found it ended (${end ?? `exit code ${code}`}), expected an answer`))
      }
      const finish = (): void => {
        signal.removeEventListener('abort', onAbort)
        child.off('message', onMessage)
        child.off('exit', onExit)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      child.on('message', onMessage)
      child.on('exit', onExit)
      child.send(job, error => {
        if (error !== null) onExit(null, null)
      })
    })
  }

  close(): void {
    this.#child?.kill('SIGKILL')
    this.#child = null
  }
}
