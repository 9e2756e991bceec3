/** Waiting for other processes, for a bounded time. */
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/** Longest wait for anything that takes seconds at most on a busy machine, ten times as long on an emulated one. */
export const LIMIT_MS = 60_000

/** @throws Error when the time is up; whatever is late is left to itself */
export async function awaitAtMost<T>(
  work: Promise<T>,
  what: string,
  limitMs = LIMIT_MS,
  describe = (): string => '',
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: found none within ${limitMs} ms\n${describe()}`)), limitMs)
  })
  return Promise.race([work, timeout]).finally(() => clearTimeout(timer))
}

export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

/** Waits until `isSo` is, looking every few ms. */
export async function until(isSo: () => boolean, what: string, limitMs = LIMIT_MS): Promise<void> {
  const deadline = Date.now() + limitMs
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error(`${what}: found none within ${limitMs} ms`)
    await pause(5)
  }
}

export function linesOf(stream: Readable, onLine: (line: string) => void): void {
  createInterface({ input: stream }).on('line', onLine)
}

/** What the threads of a process are at, and who sleeps on its userfaultfd: for a complaint that it is late. */
export function describeProcess(pid: number): string {
  const read = (path: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${path}`, 'latin1').trim()
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? ''
    }
  }
  try {
    const threads = readdirSync(`/proc/${pid}/task`).map(thread => {
      const state = /\) (\S)/.exec(read(`task/${thread}/stat`))?.[1]
      return `thread ${thread}: ${state}, ${read(`task/${thread}/wchan`)}, system call ${read(`task/${thread}/syscall`)}`
    })
    const sleepers = readdirSync(`/proc/${pid}/fdinfo`).flatMap(
      fd => read(`fdinfo/${fd}`).match(/^pending:.*\n.*/m) ?? [],
    )
    return [...threads, ...sleepers].join('\n')
  } catch {
    return 'it has ended'
  }
}
