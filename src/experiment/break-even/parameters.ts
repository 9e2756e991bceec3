/** What a break-even is searched along: a parameter of the memory, the workload or the storage, and how it is written. */
import { LazyRestoreError } from '../../core/error.ts'
import { parseSpec, withOption } from '../../core/spec-string.ts'
import { parseBytes, parseCount, parseDurationNs, parseShare } from '../../core/units.ts'
import { parseStorage } from '../../storage/device.ts'
import { WORKLOADS } from '../../workload/registry.ts'
import { parseQuantity, type Unit, writeQuantity } from '../sweep/quantity.ts'
import type { Range } from '../sweep/range.ts'

/** The texts of a restore that a parameter may change. */
export interface RestoreTexts {
  readonly snapshot: string
  readonly layout: string
  readonly workload: string
  readonly storage: string
}

export interface BreakEvenParameter {
  readonly name: string
  readonly summary: string
  /** Where it is looked for when nothing else is said. */
  readonly from: string
  readonly to: string
  readonly scale: Range['scale']
  readonly step: string | null
  /** The restore with the parameter at a value. @throws LazyRestoreError `usage` where there is none */
  apply(texts: RestoreTexts, value: string): RestoreTexts
}

const SYNTHETIC = 'synthetic:'

export const BREAK_EVEN_PARAMETERS: readonly BreakEvenParameter[] = [
  {
    name: 'size',
    summary: 'guest size, of a synthetic snapshot',
    from: '32MiB',
    to: '4GiB',
    scale: 'log',
    step: '2MiB',
    apply: (texts, value) => ({ ...texts, snapshot: ofSynthetic(texts.snapshot, '', value) }),
  },
  {
    name: 'zero',
    summary: 'share of zero pages, of a synthetic snapshot',
    from: '2%',
    to: '98%',
    scale: 'linear',
    step: null,
    apply: (texts, value) => ({ ...texts, snapshot: ofSynthetic(texts.snapshot, 'zero', value) }),
  },
  {
    name: 'working-set',
    summary: "share of the memory that the workload touches; the workload's option share",
    from: '0.1%',
    to: '90%',
    scale: 'log',
    step: null,
    apply: (texts, value) => ({ ...texts, workload: ofWorkload(texts.workload, value) }),
  },
  {
    name: 'bandwidth',
    summary: "bytes per second of the storage; the storage's option bandwidth",
    from: '20MiB',
    to: '16GiB',
    scale: 'log',
    step: null,
    apply: (texts, value) => ({ ...texts, storage: withOption(texts.storage, 'bandwidth', value) }),
  },
  {
    name: 'round-trip',
    summary: "time of one small read or round trip; the storage's option rtt, latency or ttfb",
    from: '5us',
    to: '20ms',
    scale: 'log',
    step: null,
    apply: (texts, value) => ({
      ...texts,
      storage: withOption(texts.storage, roundTripOption(texts.storage), value),
    }),
  },
]

/** @throws LazyRestoreError `usage` */
export function findParameter(name: string): BreakEvenParameter {
  const parameter = BREAK_EVEN_PARAMETERS.find(one => one.name === name)
  if (parameter !== undefined) return parameter
  const known = BREAK_EVEN_PARAMETERS.map(one => one.name).join(', ')
  throw new LazyRestoreError('usage', `--over: found "${name}", expected one of ${known}`)
}

const PARSERS: Readonly<Record<Unit, (text: string, what: string) => number>> = {
  bytes: parseBytes,
  ns: parseDurationNs,
  share: parseShare,
  number: parseCount,
}

/** Where a parameter is searched, in its own unit. @throws LazyRestoreError `usage` for ends that are none */
export function rangeOf(parameter: BreakEvenParameter, from?: string, to?: string): Range {
  const { scale, step } = parameter
  const { unit } = parseQuantity(parameter.from)!
  const first = PARSERS[unit](from ?? parameter.from, '--from')
  const last = PARSERS[unit](to ?? parameter.to, '--to')
  if (scale === 'log' && first <= 0) {
    throw new LazyRestoreError('usage', `--from: found "${from}", expected more than 0`)
  }
  if (last <= first) {
    const message =
      to === undefined
        ? `--from: found "${from}", expected less than "${parameter.to}", where it ends without --to`
        : `--to: found "${to}", expected more than "${from ?? parameter.from}"${from === undefined ? ', where it begins without --from' : ''}`
    throw new LazyRestoreError('usage', message)
  }
  return { from: first, to: last, unit, scale, step: step === null ? null : PARSERS[unit](step, 'step'), points: null }
}

/** The restore with the parameter at a number, in the unit of its range. */
export function applyValue(
  parameter: BreakEvenParameter,
  texts: RestoreTexts,
  { unit }: Range,
  value: number,
): RestoreTexts {
  return parameter.apply(texts, writeQuantity({ value, unit }))
}

/** The restore with another seed: of the workload and the device by the cell's, of a synthetic memory by its option. */
export function withMemorySeed(texts: RestoreTexts, seed: number): RestoreTexts {
  if (!texts.snapshot.startsWith(SYNTHETIC) || /[:,]seed=/.test(texts.snapshot)) return texts
  return { ...texts, snapshot: withOption(texts.snapshot, 'seed', String(seed)) }
}

function ofSynthetic(snapshot: string, key: string, value: string): string {
  if (snapshot.startsWith(SYNTHETIC)) return withOption(snapshot, key, value)
  throw new LazyRestoreError(
    'usage',
    `snapshot: found ${snapshot}, expected a synthetic one, whose memory can be varied`,
  )
}

function ofWorkload(workload: string, share: string): string {
  const { name } = parseSpec(workload)
  const sized = WORKLOADS.filter(({ options }) => Object.hasOwn(options, 'share')).map(one => one.name)
  if (sized.includes(name)) return withOption(workload, 'share', share)
  throw new LazyRestoreError(
    'usage',
    `--over working-set: workload ${name} has no option share, expected one of ${sized.join(', ')}`,
  )
}

const ROUND_TRIP_OPTIONS = ['rtt', 'latency', 'ttfb']

/** What the storage calls it. */
function roundTripOption(storage: string): string {
  for (const option of ROUND_TRIP_OPTIONS) {
    try {
      parseStorage(withOption(storage, option, '1ms'))
      return option
    } catch {
      // Another kind of storage.
    }
  }
  throw new LazyRestoreError('usage', `storage: found ${storage}, expected one with a round trip or latency`)
}
