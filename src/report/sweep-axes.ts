/**
 * What the figures of a sweep are drawn over: its variables, each with the places of its values on an axis, and the policies,
 * which are told apart by colour. Numbers that were drawn at random are put into bins of equally many.
 */
import { formatBytes, formatCount, formatDurationNs, formatShare } from '../core/units.ts'
import type { RestoreResult } from '../engine/result.ts'
import type { SweepCell } from '../experiment/sweep/cells.ts'
import { parseQuantity, type Unit } from '../experiment/sweep/quantity.ts'

/** A cell that has a result. */
export interface SweepPoint {
  readonly cell: SweepCell
  readonly result: RestoreResult
}

export interface Axis {
  readonly name: string
  /** Null: its values are names. */
  readonly unit: Unit | null
  /** How many different values there are. */
  readonly values: number
  /** Labels of the places, in order. */
  readonly places: readonly string[]
  place(point: SweepPoint): string
  /** The number; of names, the index of their place. */
  value(point: SweepPoint): number
}

/** More places of numbers are put into bins. */
const MOST_PLACES = 10
const BINS = 8
/** More policies with options are one by their name. */
const MOST_POLICIES = 12

/** The variables that differ between the points, but those that only choose the policy. */
export function axesOf(points: readonly SweepPoint[], variables: readonly string[]): Axis[] {
  const policyOnly = (name: string): boolean =>
    points.every(({ cell }) => cell.policy.includes(cell.variables[name])) && numbersOf(points, name) === null
  return variables
    .filter(name => !policyOnly(name))
    .map(name => axisOf(points, name))
    .filter(({ values }) => values > 1)
}

function axisOf(points: readonly SweepPoint[], name: string): Axis {
  const numbers = numbersOf(points, name)
  if (numbers === null) {
    const places = [...new Set(points.map(({ cell }) => cell.variables[name]))]
    const place = ({ cell }: SweepPoint): string => cell.variables[name]
    return { name, unit: null, values: places.length, places, place, value: point => places.indexOf(place(point)) }
  }
  const { unit, sorted } = numbers
  const value = ({ cell }: SweepPoint): number => parseQuantity(cell.variables[name])!.value
  const edges =
    sorted.length <= MOST_PLACES
      ? sorted
      : Array.from({ length: BINS }, (_, i) => sorted[Math.floor((i * sorted.length) / BINS)])
  const isBinned = sorted.length > MOST_PLACES
  const places = edges.map(edge => `${isBinned ? '≥ ' : ''}${formatValue(edge, unit)}`)
  const place = (point: SweepPoint): string => places[edges.findLastIndex(edge => edge <= value(point))]
  return { name, unit, values: sorted.length, places, place, value }
}

/** Its different values when all are numbers of one unit. */
function numbersOf(points: readonly SweepPoint[], name: string): { unit: Unit; sorted: number[] } | null {
  const quantities = points.map(({ cell }) => parseQuantity(cell.variables[name]))
  const [first] = quantities
  if (first === null || quantities.some(quantity => quantity?.unit !== first.unit)) return null
  return { unit: first.unit, sorted: [...new Set(quantities.map(quantity => quantity!.value))].sort((a, b) => a - b) }
}

export function formatValue(value: number, unit: Unit | null): string {
  switch (unit) {
    case 'bytes':
      return formatBytes(value)
    case 'ns':
      return formatDurationNs(value)
    case 'share':
      return formatShare(value)
    default:
      return Number.isInteger(value) ? formatCount(value) : String(Number(value.toPrecision(3)))
  }
}

/** What tells a point from others of its place by colour: its policy, or that policy's name where there are too many. */
export function policiesOf(points: readonly SweepPoint[]): {
  readonly names: readonly string[]
  of(point: SweepPoint): string
} {
  const full = new Set(points.map(({ cell }) => cell.policy))
  const of = ({ cell }: SweepPoint): string => (full.size <= MOST_POLICIES ? cell.policy : cell.policy.split(':')[0])
  return { names: [...new Set(points.map(of))], of }
}

/** Quantiles of the values, none of which may be missing. */
export function quantilesOf(values: readonly number[]): { low: number; median: number; high: number } {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))]
  return { low: at(0.1), median: at(0.5), high: at(0.9) }
}

/** The points by a key, in the order of their first. */
export function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group === undefined) groups.set(key(item), [item])
    else group.push(item)
  }
  return groups
}
