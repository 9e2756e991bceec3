/**
 * Sizes, durations and shares as people write and read them. Sizes are binary (`1GiB` = 2^30) whatever the spelling of
 * the suffix, as VM memory is; rates take `B/s` or nothing behind the size. Durations are nanoseconds inside.
 */
import { LazyRestoreError } from './error.ts'

export const KIB = 1024
export const MIB = 1024 * KIB
export const GIB = 1024 * MIB
export const TIB = 1024 * GIB

const SIZE_FACTORS: Readonly<Record<string, number>> = { '': 1, K: KIB, M: MIB, G: GIB, T: TIB }
const DURATION_FACTORS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9 }

/** `4096`, `64K`, `64KiB`, `1.5G` → bytes. `what` names the value in the error. */
export function parseBytes(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?(?:\/s)?$/i.exec(text.trim())
  const bytes = match === null ? Number.NaN : Number(match[1]) * SIZE_FACTORS[match[2].toUpperCase()]
  if (!Number.isSafeInteger(bytes)) {
    throw new LazyRestoreError('usage', `${what}: found "${text}", expected a size such as 4096, 64K, 2MiB or 1GiB`)
  }
  return bytes
}

/** `250ns`, `3us`, `1.5ms`, `2s`, or a plain number of nanoseconds → ns, rounded to whole ns. */
export function parseDurationNs(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s)?$/.exec(text.trim())
  const ns = match === null ? Number.NaN : Math.round(Number(match[1]) * DURATION_FACTORS[match[2] ?? 'ns'])
  if (!Number.isSafeInteger(ns)) {
    throw new LazyRestoreError('usage', `${what}: found "${text}", expected a duration such as 500ns, 20us, 5ms or 2s`)
  }
  return ns
}

/** `60%` or `0.6` → 0.6. */
export function parseShare(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text.trim())
  const share = match === null ? Number.NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1)
  if (!(share >= 0 && share <= 1)) {
    throw new LazyRestoreError('usage', `${what}: found "${text}", expected a share such as 60% or 0.6`)
  }
  return share
}

/** A whole number ≥ 0, with `_` allowed between digits. */
export function parseCount(text: string, what: string): number {
  const count = /^\d[\d_]*$/.test(text.trim()) ? Number(text.trim().replaceAll('_', '')) : Number.NaN
  if (!Number.isSafeInteger(count)) {
    throw new LazyRestoreError('usage', `${what}: found "${text}", expected a whole number`)
  }
  return count
}

const SIZE_STEPS: readonly (readonly [number, string])[] = [
  [TIB, 'TiB'],
  [GIB, 'GiB'],
  [MIB, 'MiB'],
  [KIB, 'KiB'],
]

/** Three significant digits and a unit, whole numbers as they are: `1.53 GiB`, `64 KiB`, `12 B`. */
export function formatBytes(bytes: number): string {
  for (const [factor, unit] of SIZE_STEPS) {
    if (bytes >= factor) return `${bytes % factor === 0 ? bytes / factor : threeDigits(bytes / factor)} ${unit}`
  }
  return `${Math.round(bytes)} B`
}

const DURATION_STEPS: readonly (readonly [number, string])[] = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
]

/** What three digits show as 1.00 of the next unit. */
const ROUNDS_UP = 0.9995

/** Three significant digits and a unit: `1.25 s`, `480 ms`, `12.3 µs`, `90 ns`. */
export function formatDurationNs(ns: number): string {
  for (const [factor, unit] of DURATION_STEPS)
    if (ns >= factor * ROUNDS_UP) return `${threeDigits(ns / factor)} ${unit}`
  return `${Math.round(ns)} ns`
}

/** `12.3 %`. */
export function formatShare(share: number): string {
  return `${threeDigits(share * 100)} %`
}

/** Whole numbers with thin groups: `1,048,576`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** `1 vCPU`, `4 vCPUs`. */
export function formatVcpus(count: number): string {
  return count === 1 ? '1 vCPU' : `${count} vCPUs`
}

function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0)
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2)
}
