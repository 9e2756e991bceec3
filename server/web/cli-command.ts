/** The `lazyrestore compare` that does on a command line what a slice of an experiment does on the server. */
import type { EngineChoice } from 'lazyrestore/client'
import type { Slice } from './slices.ts'

/** What the slices of an experiment have in common. */
export interface CommandFacts {
  /** A file, or `synthetic:SIZE,…`. */
  readonly snapshot: string
  /** Null: all. */
  readonly policies: readonly string[] | null
  readonly engine: EngineChoice
  /** Of the first repetition; the next ones count up from it. */
  readonly seed: number
  readonly fixedNs: number
  readonly recording: string | null
  readonly hasProfile: boolean
}

/** The command line's own defaults; what equals them is left out. */
const DEFAULTS = { layout: '4K', seed: 1, fixedNs: 8e6, engine: 'sim' }
const PROFILE_FILE = 'profile.json'

/** An option a line. */
export function compareCommand(facts: CommandFacts, { repetition, workload, storage, layout }: Slice): string {
  const { snapshot, policies, engine, fixedNs, recording, hasProfile } = facts
  const seed = facts.seed + repetition
  const lines = [`npx lazyrestore compare ${quote(snapshot)}`]
  const add = (option: string, value: string): void => void lines.push(`${option} ${quote(value)}`)
  if (policies !== null) add('--policies', policies.join(','))
  add('--workload', workload)
  if (recording !== null) add('--recording', recording)
  if (storage !== defaultStorage(engine)) add('--storage', storage)
  if (layout !== DEFAULTS.layout) add('--host-page-size', layout)
  if (engine !== DEFAULTS.engine) add('--engine', engine)
  if (fixedNs !== DEFAULTS.fixedNs) add('--fixed', writeDuration(fixedNs))
  if (seed !== DEFAULTS.seed) add('--seed', String(seed))
  if (hasProfile) add('--profile', PROFILE_FILE)
  return lines.join(' \\\n  ')
}

export function defaultStorage(engine: EngineChoice): string {
  return engine === 'sim' ? 'nvme' : 'host'
}

/** As a POSIX shell takes it for one word. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

/** In the largest unit that leaves a whole number. */
function writeDuration(ns: number): string {
  const [unit, factor] = (
    [
      ['s', 1e9],
      ['ms', 1e6],
      ['us', 1e3],
    ] as const
  ).find(([, size]) => ns > 0 && ns % size === 0) ?? ['ns', 1]
  return `${Math.round(ns) / factor}${unit}`
}
