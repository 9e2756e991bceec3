/**
 * The one file that knows koffi, by which native functions are called: an optional dependency, loaded at the first use. What
 * is called through it stands in src/uffd/native.ts and, for the holes of files, in src/snapshot/file-holes.ts.
 */
import { createRequire } from 'node:module'
import type * as KoffiModule from 'koffi'
import { LazyRestoreError } from './error.ts'

export type Koffi = typeof KoffiModule
/** A function of numbers that can also run on a thread of libuv's pool. */
export type KoffiFunction = KoffiModule.KoffiFunc<(...parameters: number[]) => number>

let koffi: Koffi | undefined

/** @throws LazyRestoreError `unsupported`, with one line that says what is missing and how to get it. */
export function loadKoffi(): Koffi {
  if (koffi !== undefined) return koffi
  if (process.platform !== 'linux') {
    throw new LazyRestoreError('unsupported', `userfaultfd needs Linux, found ${process.platform}`)
  }
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi
    return koffi
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const [firstLine] = message.split('\n')
    const reason = code === 'MODULE_NOT_FOUND' ? 'is not installed' : `does not load: ${firstLine}`
    throw new LazyRestoreError(
      'unsupported',
      `the optional package koffi ${reason}; run: npm install --include=optional`,
      { cause },
    )
  }
}
