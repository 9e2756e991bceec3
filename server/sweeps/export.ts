/** The results of a sweep as files: a row a cell, with its variables in front of its record; the format by the file's ending. */
import { writeFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import {
  csvLine,
  type FieldValue,
  LazyRestoreError,
  loadSweepReport,
  parseQuantity,
  RECORD_FIELDS,
  type RestoreResult,
  renderHdrLog,
  type SweepCell,
  type TableColumn,
  wholeUnits,
  writeParquet,
} from 'lazyrestore'
import type { Sweep, SweepRow } from './sweep.ts'

type Pieces = string | Uint8Array | Iterable<string> | AsyncIterable<Uint8Array>

const FORMATS: Readonly<Record<string, (sweep: Sweep, command: string) => Pieces | Promise<Pieces>>> = {
  json: renderJson,
  csv: renderCsv,
  parquet: renderParquet,
  html: renderReport,
  hlog: renderHistograms,
}

/** What a file of this name is written as. @throws LazyRestoreError `usage` */
export function formatOfFile(file: string): string {
  const ending = /\.([\w-]+)$/.exec(file)?.[1].toLowerCase() ?? ''
  if (Object.hasOwn(FORMATS, ending)) return ending
  const known = Object.keys(FORMATS).map(name => `.${name}`)
  throw new LazyRestoreError('usage', `${file}: found ending ".${ending}", expected one of ${known.join(', ')}`)
}

/** @param command the command line that makes it again @throws LazyRestoreError `io` */
export async function writeResults(sweep: Sweep, file: string, command: string): Promise<void> {
  const content = await FORMATS[formatOfFile(file)](sweep, command)
  const isWhole = typeof content === 'string' || content instanceof Uint8Array
  try {
    await writeFile(file, isWhole ? content : Readable.from(content, { objectMode: true }))
  } catch (cause) {
    throw new LazyRestoreError('io', `${file}: ${(cause as Error).message}`, { cause })
  }
}

/** The columns in front of the record's. */
function columnsOf(sweep: Sweep): (readonly [name: string, value: (row: SweepRow) => FieldValue])[] {
  return [
    ['cell', ({ cell }) => cell.index],
    ['state', ({ ended }) => ended?.state ?? 'waiting'],
    ['error', ({ ended }) => ended?.error?.message ?? null],
    ['repetition', ({ cell }) => cell.repetition],
    ...sweep.cells.variables.map(
      name => [`var.${name}`, ({ cell }: SweepRow) => variableValue(cell.variables[name])] as const,
    ),
  ]
}

/** A number where the text is one: bytes, ns, a share from 0 to 1. */
function variableValue(text: string): FieldValue {
  return parseQuantity(text)?.value ?? text
}

function* renderJson(sweep: Sweep): Generator<string> {
  const { id, version, spec } = sweep.plan
  const { parts: _parts, ...told } = spec
  yield `{"sweep":${JSON.stringify({ id, version, ...told })},"cells":[`
  let before = ''
  for (const { cell, ended, result } of sweep.rows()) {
    const { state = 'waiting', error = null, notes = [] } = ended ?? {}
    yield before + JSON.stringify({ ...cell, state, error, notes, result })
    before = ',\n'
  }
  yield ']}\n'
}

function* renderCsv(sweep: Sweep): Generator<string> {
  const columns = columnsOf(sweep)
  yield csvLine([...columns.map(([name]) => name), ...RECORD_FIELDS.map(([name]) => name)])
  for (const row of sweep.rows()) {
    const record = RECORD_FIELDS.map(([name, value]) =>
      row.result === null ? null : wholeUnits(name, value(row.result)),
    )
    yield csvLine([...columns.map(([, value]) => value(row)), ...record])
  }
}

async function renderParquet(sweep: Sweep): Promise<Uint8Array> {
  const columns = columnsOf(sweep)
  const data: TableColumn[] = [...columns, ...RECORD_FIELDS].map(([name]) => ({ name, data: [] }))
  for (const row of sweep.rows()) {
    for (const [i, [, value]] of columns.entries()) data[i].data.push(value(row))
    for (const [i, [, value]] of RECORD_FIELDS.entries()) {
      data[columns.length + i].data.push(row.result === null ? null : value(row.result))
    }
  }
  return writeParquet(data.map(asOneKind))
}

async function renderReport(sweep: Sweep, command: string): Promise<string> {
  const renderSweepReport = await loadSweepReport()
  const points: { cell: SweepCell; result: RestoreResult }[] = []
  const failures = new Map<string, number>()
  for (const { cell, ended, result } of sweep.rows()) {
    // The curves are most of a record, and are not shown.
    if (result !== null) points.push({ cell, result: { ...result, residency: [], latencyCdf: [], blocktimeDist: [] } })
    const reason = ended?.error?.message
    if (reason !== undefined) failures.set(reason, (failures.get(reason) ?? 0) + 1)
  }
  const { variables, count: cells } = sweep.cells
  return renderSweepReport({ title: sweep.plan.spec.name, notes: [], command, cells, variables, points, failures })
}

/** A line a cell, which its index tells from others of the same policy. */
function renderHistograms(sweep: Sweep): string {
  const results: RestoreResult[] = []
  for (const { cell, result } of sweep.rows()) {
    if (result !== null) results.push({ ...result, policy: `cell ${cell.index}: ${result.policy}`, residency: [] })
  }
  return renderHdrLog(results)
}

/** A variable that is a number in some cells and text in others is text. */
function asOneKind({ name, data }: TableColumn): TableColumn {
  const isMixed = data.some(value => typeof value === 'string') && data.some(value => typeof value === 'number')
  return { name, data: isMixed ? data.map(value => (value === null ? null : String(value))) : data }
}
