/** Reads the words of an operation: addresses such as `a.2+0x10`, lengths in pages, lists of modes and features, options. */
import { LazyRestoreError } from '../../../core/error.ts'
import {
  UFFD_FEATURE_EVENT_FORK,
  UFFD_FEATURE_EVENT_REMAP,
  UFFD_FEATURE_EVENT_REMOVE,
  UFFD_FEATURE_EVENT_UNMAP,
  UFFD_FEATURE_EXACT_ADDRESS,
  UFFD_FEATURE_SIGBUS,
  UFFD_FEATURE_THREAD_ID,
  UFFD_FEATURE_WP_ASYNC,
  UFFD_FEATURE_WP_UNPOPULATED,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
} from '../../constants.ts'

export const MODES: Readonly<Record<string, number>> = {
  missing: UFFDIO_REGISTER_MODE_MISSING,
  wp: UFFDIO_REGISTER_MODE_WP,
  minor: UFFDIO_REGISTER_MODE_MINOR,
}

export const FEATURES: Readonly<Record<string, number>> = {
  'event-fork': UFFD_FEATURE_EVENT_FORK,
  'event-remap': UFFD_FEATURE_EVENT_REMAP,
  'event-remove': UFFD_FEATURE_EVENT_REMOVE,
  'event-unmap': UFFD_FEATURE_EVENT_UNMAP,
  sigbus: UFFD_FEATURE_SIGBUS,
  'thread-id': UFFD_FEATURE_THREAD_ID,
  exact: UFFD_FEATURE_EXACT_ADDRESS,
  'wp-unpopulated': UFFD_FEATURE_WP_UNPOPULATED,
  'wp-async': UFFD_FEATURE_WP_ASYNC,
}

/** One operation, taken apart: words in order, then `key=value` and bare flags by name. */
export interface Words {
  readonly text: string
  readonly verb: string
  readonly words: readonly string[]
  readonly options: ReadonlyMap<string, string>
}

export function splitWords(text: string): Words {
  const [verb = '', ...rest] = text.trim().split(/\s+/)
  const options = new Map<string, string>()
  const words: string[] = []
  for (const word of rest) {
    const equals = word.indexOf('=')
    if (equals > 0) options.set(word.slice(0, equals), word.slice(equals + 1))
    else words.push(word)
  }
  return { text, verb, words, options }
}

export function usageError(text: string, found: string | undefined, expected: string): LazyRestoreError {
  return new LazyRestoreError('usage', `operation "${text}": found ${found ?? 'nothing'}, expected ${expected}`)
}

/** `missing|wp`, `event-remove|0x8`, `none` → the sum of the bits. */
export function parseBits(text: string, word: string | undefined, names: Readonly<Record<string, number>>): number {
  if (word === undefined) throw usageError(text, word, `some of ${Object.keys(names).join('|')}`)
  if (word === 'none') return 0
  let bits = 0
  for (const name of word.split('|')) {
    const bit = /^0x[0-9a-f]+$/.test(name) ? Number(name) : Object.hasOwn(names, name) ? names[name] : undefined
    if (bit === undefined) throw usageError(text, name, `one of ${Object.keys(names).join(', ')}, or a number 0x…`)
    bits |= bit
  }
  return bits
}

/** The flags among words from `from` on. */
export function parseFlags({ text, words }: Words, from: number, names: Readonly<Record<string, number>>): number {
  return words.slice(from).reduce((bits, word) => bits | parseBits(text, word, names), 0)
}

export function parseCountWord(text: string, word: string | undefined, what: string): number {
  const value = word !== undefined && /^(0x[0-9a-f]+|\d+)$/.test(word) ? Number(word) : Number.NaN
  if (!Number.isSafeInteger(value)) throw usageError(text, word, what)
  return value
}

/** A flag word that is there or not. */
export function hasWord({ words }: Words, flag: string): boolean {
  return words.includes(flag)
}

/** The name at word `index`: of a thread, a child, a userfaultfd, an area. */
export function nameIn({ text, words }: Words, index: number, what: string): string {
  const name = words[index]
  if (name === undefined || !/^[A-Za-z]\w*$/.test(name)) throw usageError(text, name, `the name of ${what}`)
  return name
}
