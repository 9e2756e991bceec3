/**
 * One process, a server or a sweep, a data directory. The lock is a file that names the process which holds it; it is void when that process is
 * gone, however it ended, and a process that got the same number since does not count: it has started later.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LazyRestoreError } from 'lazyrestore'

/** Among the fields behind the name, which may have spaces. */
const STATE = 0
const START_TIME = 19
const ZOMBIE = 'Z'

export class DirectoryLock {
  readonly #file: string

  private constructor(file: string) {
    this.#file = file
  }

  /** Makes the directory if it is missing. @throws LazyRestoreError `io` */
  static take(directory: string): DirectoryLock {
    const file = join(directory, 'server.lock')
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      const holder = readHolder(file)
      if (holder !== null && isAlive(holder)) {
        throw new LazyRestoreError(
          'io',
          `${directory}: found process ${holder.pid} using it, expected no other server or sweep`,
        )
      }
      writeFileSync(file, `${process.pid} ${startOf(process.pid) ?? ''}\n`, { mode: 0o600 })
      return new DirectoryLock(file)
    } catch (cause) {
      if (cause instanceof LazyRestoreError) throw cause
      throw new LazyRestoreError('io', `${directory}: ${(cause as Error).message}`, { cause })
    }
  }

  release(): void {
    rmSync(this.#file, { force: true })
  }
}

interface Holder {
  readonly pid: number
  readonly start: string
}

function readHolder(file: string): Holder | null {
  try {
    const [pid, start = ''] = readFileSync(file, 'latin1').trim().split(' ')
    return /^\d+$/.test(pid) ? { pid: Number(pid), start } : null
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

function isAlive({ pid, start }: Holder): boolean {
  return pid !== process.pid && startOf(pid) === start
}

/** Start time of a process in ticks since boot (proc_pid_stat(5)); null: there is none, or it waits only to be buried. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[STATE] === ZOMBIE ? null : fields[START_TIME]
  } catch {
    return null
  }
}
