/** When the restores of a burst are asked for: all at once, evenly over a time, as a Poisson process, or as a file says. */
import { LazyRestoreError } from '../core/error.ts'
import { createRandom, nextFloat } from '../core/random.ts'
import { type OptionRules, option, parseSpec, resolveOptions } from '../core/spec-string.ts'
import { readTextFile } from '../core/text-file.ts'
import { MIB, parseDurationNs } from '../core/units.ts'

export const ARRIVALS_HELP =
  'at-once; uniform:over=10s; poisson:rate=100 (a second); trace:FILE (a time a line, ascending, as 1.5ms)'

const SPACING: Readonly<Record<string, OptionRules>> = {
  'at-once': {},
  uniform: { over: option('durationNs', 1e9, 'time over which they are spread evenly', 1) },
  poisson: { rate: option('count', 100, 'mean arrivals per second', 1) },
  trace: {},
}

const MAX_TRACE_BYTES = 64 * MIB

/** Times from the start of the burst in whole ns, ascending. @throws LazyRestoreError `usage`, `io`, `format` */
export function arrivalTimes(text: string, restores: number, seed: number): Float64Array {
  const spec = parseSpec(text)
  const isTrace = spec.name === 'trace'
  if (!Object.hasOwn(SPACING, spec.name) || (spec.positional !== null) !== isTrace) {
    const expected = 'at-once, uniform:over=…, poisson:rate=… or trace:FILE'
    throw new LazyRestoreError('usage', `arrivals: found "${text}", expected ${expected}`)
  }
  const { over, rate } = resolveOptions(spec, SPACING[spec.name]) as Readonly<Record<string, number>>
  if (isTrace) return traceTimes(spec.positional!, restores)
  const random = createRandom(seed)
  let poissonNs = 0
  return Float64Array.from({ length: restores }, (_, index) => {
    if (spec.name === 'at-once') return 0
    if (spec.name === 'uniform') return Math.round((index * over) / restores)
    // The first comes at once: the burst begins with it.
    if (index > 0) poissonNs -= (Math.log(1 - nextFloat(random)) * 1e9) / rate
    return Math.round(poissonNs)
  })
}

function traceTimes(file: string, restores: number): Float64Array {
  const lines = readTextFile(file, 'a time a line', MAX_TRACE_BYTES).split('\n')
  const times: number[] = []
  for (const [index, line] of lines.entries()) {
    const written = line.trim()
    if (written === '' || written.startsWith('#')) continue
    const where = `${file}:${index + 1}`
    let ns: number
    try {
      ns = parseDurationNs(written, where)
    } catch (cause) {
      throw new LazyRestoreError('format', (cause as Error).message, { cause })
    }
    if (ns < (times.at(-1) ?? 0)) {
      throw new LazyRestoreError('format', `${where}: found ${written} behind a later time, expected ascending times`)
    }
    times.push(ns)
  }
  if (times.length >= restores) return Float64Array.from(times.slice(0, restores))
  throw new LazyRestoreError(
    'format',
    `${file}: found ${times.length} times, expected one for each of ${restores} restores`,
  )
}
