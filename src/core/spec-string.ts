/**
 * The one way in which a policy, workload, storage or synthetic snapshot is written on a command line or in a request:
 * `name`, or `name:key=value,key=value`. A list of them is separated by commas too; it stays unambiguous because a piece
 * with `=` and no `:` before it can only be a further option of the name on its left.
 */
import { LazyRestoreError } from './error.ts'
import { parseBytes, parseCount, parseDurationNs, parseShare } from './units.ts'

/** A spec as written; option values are still text. */
export interface Spec {
  readonly name: string
  readonly options: Readonly<Record<string, string>>
  /** A value before the first `key=value`, as the size in `synthetic:1GiB,zero=60%`. */
  readonly positional: string | null
}

type OptionKind = 'bytes' | 'count' | 'durationNs' | 'share' | 'boolean' | 'text'
type OptionValue<K extends OptionKind> = K extends 'boolean' ? boolean : K extends 'text' ? string : number

/** One option that a name takes. `initial` is its value when it is not given. */
export interface OptionRule<K extends OptionKind = OptionKind> {
  readonly kind: K
  readonly initial: OptionValue<K>
  readonly help: string
  /** Numbers below `min` or above `max` are refused. */
  readonly min?: number
  readonly max?: number
}

/** What a name takes: option key → rule. */
export type OptionRules = { readonly [key: string]: OptionRule }

/** The options of `R`, resolved: every key present, every value of its kind. */
export type ResolvedOptions<R extends OptionRules> = { readonly [K in keyof R]: OptionValue<R[K]['kind']> }

/** Declares an option; a helper that keeps the literal kind. */
export function option<K extends OptionKind>(
  kind: K,
  initial: OptionValue<K>,
  help: string,
  min = Number.NEGATIVE_INFINITY,
  max = Number.POSITIVE_INFINITY,
): OptionRule<K> {
  return { kind, initial, help, min, max }
}

export function parseSpec(text: string): Spec {
  const colon = text.indexOf(':')
  const name = (colon < 0 ? text : text.slice(0, colon)).trim()
  if (name === '') throw new LazyRestoreError('usage', `found "${text}", expected name or name:key=value,…`)
  const options = new Map<string, string>()
  let positional: string | null = null
  for (const [index, piece] of (colon < 0 ? [] : text.slice(colon + 1).split(',')).entries()) {
    const equals = piece.indexOf('=')
    const key = equals < 0 ? piece.trim() : piece.slice(0, equals).trim()
    if (equals < 0 && index === 0 && key !== '') positional = key
    else if (key === '' || equals < 0) {
      throw new LazyRestoreError('usage', `${name}: found "${piece}", expected key=value`)
    } else if (options.has(key)) {
      throw new LazyRestoreError('usage', `${name}: option ${key} is given twice`)
    } else options.set(key, piece.slice(equals + 1).trim())
  }
  return { name, options: Object.fromEntries(options), positional }
}

/** The text with an option given, in place of what it was; or its positional value, for an empty key. */
export function withOption(text: string, key: string, value: string): string {
  const { name, options, positional } = parseSpec(text)
  const first = key === '' ? value : positional
  const given = key === '' ? options : { ...options, [key]: value }
  const pieces = Object.entries(given).map(([option, written]) => `${option}=${written}`)
  if (first !== null) pieces.unshift(first)
  return pieces.length === 0 ? name : `${name}:${pieces.join(',')}`
}

/** `a,b:x=1,y=2,c` → three specs. */
export function parseSpecList(text: string): Spec[] {
  const texts: string[] = []
  for (const piece of text.split(',')) {
    const equals = piece.indexOf('=')
    const colon = piece.indexOf(':')
    const continues = equals >= 0 && (colon < 0 || colon > equals)
    if (continues && texts.length > 0) texts[texts.length - 1] += `${texts.at(-1)!.includes(':') ? ',' : ':'}${piece}`
    else texts.push(piece)
  }
  return texts.map(parseSpec)
}

/** Checks the spec's options against the rules and fills in what is missing. */
export function resolveOptions<R extends OptionRules>(spec: Spec, rules: R): ResolvedOptions<R> {
  const known = Object.keys(rules)
  for (const key of Object.keys(spec.options)) {
    if (!Object.hasOwn(rules, key)) {
      const expected = known.length === 0 ? 'no options' : `one of ${known.join(', ')}`
      throw new LazyRestoreError('usage', `${spec.name}: found option "${key}", expected ${expected}`)
    }
  }
  const resolved: Record<string, number | boolean | string> = {}
  for (const key of known) {
    const rule = rules[key]
    const text = Object.hasOwn(spec.options, key) ? spec.options[key] : undefined
    const value = text === undefined ? rule.initial : parseValue(rule.kind, text, `${spec.name}: option ${key}`)
    const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = rule
    if (typeof value === 'number' && (value < min || value > max)) {
      const expected = value < min ? `at least ${min}` : `at most ${max}`
      throw new LazyRestoreError('usage', `${spec.name}: option ${key}: found ${value}, expected ${expected}`)
    }
    resolved[key] = value
  }
  return resolved as ResolvedOptions<R>
}

function parseValue(kind: OptionKind, text: string, what: string): number | boolean | string {
  switch (kind) {
    case 'bytes':
      return parseBytes(text, what)
    case 'count':
      return parseCount(text, what)
    case 'durationNs':
      return parseDurationNs(text, what)
    case 'share':
      return parseShare(text, what)
    case 'text':
      return text
    case 'boolean':
      if (text === 'true' || text === 'false') return text === 'true'
      throw new LazyRestoreError('usage', `${what}: found "${text}", expected true or false`)
  }
}
