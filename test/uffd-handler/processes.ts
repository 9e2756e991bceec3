/** Waiting for other processes, for a bounded time. */
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/** Longest wait for anything that takes seconds at most on a busy machine. */
export const LIMIT_MS = 20_000

/** @throws Error when the time is up; whatever is late is left to itself */
export async function awaitAtMost<T>(work: Promise<T>, what: string, limitMs = LIMIT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: found none within ${limitMs} ms`)), limitMs)
  })
  return Promise.race([work, timeout]).finally(() => clearTimeout(timer))
}

/** Waits until `isSo` is, looking every few ms. */
export async function until(isSo: () => boolean, what: string, limitMs = LIMIT_MS): Promise<void> {
  const deadline = Date.now() + limitMs
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error(`${what}: found none within ${limitMs} ms`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

export function linesOf(stream: Readable, onLine: (line: string) => void): void {
  createInterface({ input: stream }).on('line', onLine)
}
