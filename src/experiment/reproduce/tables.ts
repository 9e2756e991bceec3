/**
 * What `reproduce` reads: published tables, and for each row from which inputs it is predicted. A JSON file, checked field by
 * field; docs/formats.md says how it is written. Texts may name parameters in braces, `{share}`, which have a value with a
 * source, or are fitted on one row.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { checkFields, describe, expectFields, type FieldRule, isText, textRule, wholeRule } from '../../core/fields.ts'

export const TABLES_FORMAT = 'lazyrestore-tables'
export const TABLES_VERSION = 1
const MAX_TEXT = 2000
const MAX_ENTRIES = 1000

/** A value from a source, or one that makes the prediction of `row` (`table/row`) what was published. */
export interface TableParameter {
  readonly value?: string | number
  readonly fit?: { readonly row: string; readonly min: number; readonly max: number }
  readonly source: string
}

/** Costs of a host: the default profile's times `costScale`, less what is given, in the profile's units. */
export interface TableHost {
  readonly costScale: string | number
  readonly parameters: Readonly<Record<string, string | number>>
  readonly source: string
}

export const MEASURES = ['workDoneMs', 'resumeMs', 'residentMs', 'thousandPagesPerS'] as const
export type Measure = (typeof MEASURES)[number] | `residentMbAt:${string}`

/** One simulated restore; what is left out is as the simulator has it by itself. */
export interface RestoreStage {
  readonly snapshot: string
  readonly policy: string
  readonly workload: string
  /** The earlier run that working sets are from; the workload itself when left out. */
  readonly recording?: string
  readonly storage: string
  readonly host: string
  readonly hostPages?: string
  /** What faults do to each other on their way. */
  readonly faultPath?: string
  /** Deals the accesses of the workload's one vCPU out to so many. */
  readonly threads?: number
  readonly measure: Measure
}

/** What a prediction is the sum of: a time that no policy changes, or what a restore takes. */
export type Stage = { readonly fixed: string | number; readonly source: string } | RestoreStage

export interface TableRow {
  readonly name: string
  /** As published, or its least and most; null: nobody has published it. */
  readonly published: number | readonly [number, number] | null
  readonly predict: readonly Stage[]
  /** What a reader must know of it. */
  readonly note?: string
}

export interface PublishedTable {
  readonly name: string
  readonly title: string
  readonly source: string
  readonly unit: string
  readonly rows: readonly TableRow[]
}

export interface PublishedTables {
  readonly parameters: Readonly<Record<string, TableParameter>>
  readonly hosts: Readonly<Record<string, TableHost>>
  readonly tables: readonly PublishedTable[]
}

const text = textRule(MAX_TEXT)
const name: FieldRule = {
  accepts: value => isText(value, 100) && /^[\w.+-]+$/.test(value),
  expected: 'a name of letters, digits and . _ + -',
}
const value: FieldRule = {
  accepts: found => isText(found, MAX_TEXT) || (typeof found === 'number' && Number.isFinite(found)),
  expected: 'a number, or a text',
}
const number: FieldRule = {
  accepts: found => typeof found === 'number' && Number.isFinite(found),
  expected: 'a number',
}
const list: FieldRule = {
  accepts: found => Array.isArray(found) && found.length > 0 && found.length <= MAX_ENTRIES,
  expected: `a list of 1 to ${MAX_ENTRIES}`,
}
const object: FieldRule = { accepts: found => typeof found === 'object' && found !== null, expected: 'an object' }
const measure: FieldRule = {
  accepts: found =>
    isText(found, 100) && ((MEASURES as readonly string[]).includes(found) || /^residentMbAt:\d+ms$/.test(found)),
  expected: `one of ${MEASURES.join(', ')}, residentMbAt:100ms`,
}
const published: FieldRule = {
  accepts: found =>
    found === null ||
    number.accepts(found) ||
    (Array.isArray(found) && found.length === 2 && found.every(number.accepts) && found[0] <= found[1]),
  expected: 'a number, [least, most] or null',
}

/** @param file its name, for messages. @throws LazyRestoreError `format`: which field, what was found, what was expected */
export function parseTables(json: unknown, file: string): PublishedTables {
  const rules = { format: text, version: wholeRule(0, 1e6), parameters: object, hosts: object, tables: list }
  const fields = checkFields<Record<keyof typeof rules, unknown>>(expectFields(json, file), rules, file)
  if (fields.format !== TABLES_FORMAT || fields.version !== TABLES_VERSION) {
    const found = `found ${describe(fields.format)} version ${describe(fields.version)}`
    throw new LazyRestoreError(
      'unsupported',
      `${file}: ${found}, expected "${TABLES_FORMAT}" version ${TABLES_VERSION}`,
    )
  }
  const tables = (fields.tables as unknown[]).map((table, i) => parseTable(table, `${file}: tables[${i}]`))
  const rows = new Set(tables.flatMap(table => table.rows.map(row => `${table.name}/${row.name}`)))
  const parsed = {
    parameters: eachOf(fields.parameters, `${file}: parameters`, (one, where) => parseParameter(one, where, rows)),
    hosts: eachOf(fields.hosts, `${file}: hosts`, parseHost),
    tables,
  }
  for (const table of tables) {
    for (const row of table.rows) {
      for (const stage of row.predict) {
        if (!('host' in stage) || Object.hasOwn(parsed.hosts, stage.host)) continue
        const known = Object.keys(parsed.hosts).join(', ')
        throw new LazyRestoreError(
          'format',
          `${file}: ${table.name}/${row.name}: host: found ${describe(stage.host)}, expected one of ${known}`,
        )
      }
    }
  }
  return parsed
}

function eachOf<T>(found: unknown, where: string, parse: (one: unknown, where: string) => T): Record<string, T> {
  const entries = Object.entries(expectFields(found, where))
  return Object.fromEntries(entries.map(([key, one]) => [key, parse(one, `${where}.${key}`)]))
}

function parseParameter(found: unknown, where: string, rows: ReadonlySet<string>): TableParameter {
  const fields = expectFields(found, where)
  if (!Object.hasOwn(fields, 'fit')) return checkFields<TableParameter>(fields, { value, source: text } as never, where)
  const parameter = checkFields<TableParameter>(fields, { fit: object, source: text } as never, where)
  const fit = checkFields<NonNullable<TableParameter['fit']>>(
    expectFields(parameter.fit, `${where}.fit`),
    { row: text, min: number, max: number },
    `${where}.fit`,
  )
  if (rows.has(fit.row) && fit.min < fit.max) return parameter
  const what = rows.has(fit.row) ? `min ${fit.min} and max ${fit.max}` : `row ${describe(fit.row)}`
  throw new LazyRestoreError('format', `${where}.fit: found ${what}, expected a row, table/row, and min below max`)
}

function parseHost(found: unknown, where: string): TableHost {
  const rules = { costScale: value, parameters: object, source: text }
  const host = checkFields<TableHost>(expectFields(found, where), rules, where)
  for (const [key, one] of Object.entries(expectFields(host.parameters, `${where}.parameters`))) {
    if (value.accepts(one)) continue
    throw new LazyRestoreError(
      'format',
      `${where}.parameters.${key}: found ${describe(one)}, expected ${value.expected}`,
    )
  }
  return host
}

function parseTable(found: unknown, where: string): PublishedTable {
  const rules = { name, title: text, source: text, unit: text, rows: list }
  const table = checkFields<PublishedTable>(expectFields(found, where), rules, where)
  return { ...table, rows: table.rows.map((row, i) => parseRow(row, `${where}.rows[${i}]`)) }
}

function parseRow(found: unknown, where: string): TableRow {
  const fields = expectFields(found, where)
  const note = Object.hasOwn(fields, 'note') ? { note: text } : {}
  const row = checkFields<TableRow>(fields, { name, published, predict: list, ...note } as never, where)
  return { ...row, predict: row.predict.map((stage, i) => parseStage(stage, `${where}.predict[${i}]`)) }
}

function parseStage(found: unknown, where: string): Stage {
  const fields = expectFields(found, where)
  if (Object.hasOwn(fields, 'fixed'))
    return checkFields<Extract<Stage, { fixed: unknown }>>(fields, { fixed: value, source: text }, where)
  const optional = { recording: text, hostPages: text, faultPath: text, threads: wholeRule(1, 1024) }
  const given = Object.entries(optional).filter(([key]) => Object.hasOwn(fields, key))
  const required = { snapshot: text, policy: text, workload: text, storage: text, host: text, measure }
  return checkFields<RestoreStage>(fields, { ...required, ...Object.fromEntries(given) } as never, where)
}
