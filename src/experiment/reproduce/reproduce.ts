/**
 * Predicts published tables from inputs that do not depend on their results. A parameter that nobody has published is fitted
 * on one row, by bisection; that row is then no prediction, and every other row that uses the parameter says so.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { type ParameterValues, parametersOf, predictRow } from './predict.ts'
import type { PublishedTable, PublishedTables, TableRow } from './tables.ts'

/** Halvings of the interval of a fitted parameter. */
const FIT_STEPS = 14

export interface FittedParameter {
  readonly name: string
  readonly value: number
  /** The row that it was fitted on, `table/row`. */
  readonly row: string
}

export interface ReproducedRow {
  readonly table: string
  readonly row: string
  readonly unit: string
  readonly published: TableRow['published']
  readonly predicted: number
  /** predicted / published − 1; against the middle of a range. Null where nothing was published. */
  readonly error: number | null
  /** The prediction lies within the published range; null where one figure was published, or none. */
  readonly inRange: boolean | null
  /** Parameters that it depends on and that were fitted on this very row: its error says nothing. */
  readonly fittedHere: readonly string[]
  /** Parameters that were fitted on another row. */
  readonly fittedElsewhere: readonly FittedParameter[]
  readonly note: string | null
}

export interface Reproduction {
  readonly rows: readonly ReproducedRow[]
  readonly fitted: readonly FittedParameter[]
}

export interface ReproduceOptions {
  /** Only these tables; all when empty. */
  readonly only: readonly string[]
  /** Seeds of which the median counts. */
  readonly seeds: number
  readonly onProgress?: (what: string) => void
}

/** @throws LazyRestoreError `format` when the inputs do not fit each other, `usage` for an unknown table */
export function reproduce(input: PublishedTables, { only, seeds, onProgress }: ReproduceOptions): Reproduction {
  for (const name of only) {
    if (input.tables.some(table => table.name === name)) continue
    const known = input.tables.map(table => table.name).join(', ')
    throw new LazyRestoreError('usage', `--only: found "${name}", expected one of ${known}`)
  }
  const tables = input.tables.filter(({ name }) => only.length === 0 || only.includes(name))
  const wanted = new Set(tables.flatMap(({ rows }) => rows.flatMap(row => [...parametersOf(row.predict, input.hosts)])))
  const values: Record<string, string | number> = {}
  for (const [name, { value }] of Object.entries(input.parameters)) if (value !== undefined) values[name] = value
  const fitted: FittedParameter[] = []
  for (const [name, { fit }] of Object.entries(input.parameters)) {
    if (fit === undefined || !wanted.has(name)) continue
    onProgress?.(`fitting ${name}`)
    const value = fitParameter(input, name, fit, values, seeds)
    values[name] = value
    fitted.push({ name, value, row: fit.row })
  }
  const rows = tables.flatMap(table =>
    table.rows.map(row => {
      onProgress?.(`${table.name}/${row.name}`)
      return reproduceRow(input, table, row, values, fitted, seeds)
    }),
  )
  return { rows, fitted }
}

function reproduceRow(
  { hosts }: PublishedTables,
  table: PublishedTable,
  row: TableRow,
  values: ParameterValues,
  fitted: readonly FittedParameter[],
  seeds: number,
): ReproducedRow {
  const { published } = row
  const predicted = predictRow(row.predict, hosts, values, seeds)
  const used = parametersOf(row.predict, hosts)
  const here = `${table.name}/${row.name}`
  const depends = fitted.filter(({ name }) => used.has(name))
  return {
    table: table.name,
    row: row.name,
    unit: table.unit,
    published,
    predicted,
    error: published === null ? null : predicted / middle(published) - 1,
    inRange: Array.isArray(published) ? predicted >= published[0] && predicted <= published[1] : null,
    fittedHere: depends.filter(one => one.row === here).map(({ name }) => name),
    fittedElsewhere: depends.filter(one => one.row !== here),
    note: row.note ?? null,
  }
}

/** The value in [min, max] that brings the row's prediction nearest to what was published; the row must depend on it. */
function fitParameter(
  { tables, hosts }: PublishedTables,
  name: string,
  { row: place, min, max }: { readonly row: string; readonly min: number; readonly max: number },
  known: ParameterValues,
  seeds: number,
): number {
  const table = tables.find(
    one => place.startsWith(`${one.name}/`) && one.rows.some(row => `${one.name}/${row.name}` === place),
  )!
  const row = table.rows.find(one => `${table.name}/${one.name}` === place)!
  if (row.published === null || !parametersOf(row.predict, hosts).has(name)) {
    const found = row.published === null ? 'nothing published' : 'a row that does not depend on it'
    throw new LazyRestoreError(
      'format',
      `parameter ${name}: found ${found} at ${place}, expected a published row that has {${name}}`,
    )
  }
  const target = middle(row.published)
  const predict = (value: number) => predictRow(row.predict, hosts, { ...known, [name]: value }, seeds)
  let [low, high] = [min, max]
  const rising = predict(high) >= predict(low)
  for (let step = 0; step < FIT_STEPS; step++) {
    const value = rounded((low + high) / 2)
    if (predict(value) < target === rising) low = value
    else high = value
  }
  return rounded((low + high) / 2)
}

/** More digits say nothing, and no text that a value is put into takes a fraction of a byte. */
function rounded(value: number): number {
  return Number(value.toPrecision(4))
}

function middle(published: number | readonly [number, number]): number {
  return typeof published === 'number' ? published : (published[0] + published[1]) / 2
}
