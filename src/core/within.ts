/** A wait that ends. */
import { LazyRestoreError } from './error.ts'

/** What the work comes to. @throws LazyRestoreError `limit` when that takes longer; what the work throws */
export async function within<T>(limitMs: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    const error = new LazyRestoreError('limit', `waited ${limitMs / 1000} s for ${what}`)
    timer = setTimeout(() => reject(error), limitMs)
  })
  return Promise.race([work, timeout]).finally(() => clearTimeout(timer))
}
