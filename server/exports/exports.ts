/** An experiment as a file: JSON as `compare --json` prints it, CSV, Parquet, or a Perfetto trace. Made piece by piece. */
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import {
  type FieldValue,
  RECORD_FIELDS,
  type RestoreResult,
  renderCsv,
  renderHdrLog,
  renderPerfetto,
  writeParquet,
} from 'lazyrestore'
import type { ExportQuery } from '../schemas/experiments.ts'

type Format = ExportQuery['format']
type Pieces = Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>

export interface ExportFile {
  readonly type: string
  readonly extension: string
  readonly content: Readable
}

/** Rows that are read between two turns of the event loop. */
const ROWS_A_TURN = 50

const FORMATS: Readonly<
  Record<Format, { type: string; extension: string; render: (results: Iterable<RestoreResult>) => Pieces }>
> = {
  json: { type: 'application/json; charset=utf-8', extension: 'json', render: renderJson },
  csv: { type: 'text/csv; charset=utf-8', extension: 'csv', render: renderRows },
  parquet: { type: 'application/vnd.apache.parquet', extension: 'parquet', render: renderParquet },
  hdr: { type: 'text/plain; charset=utf-8', extension: 'hlog', render: renderHdr },
  perfetto: { type: 'application/octet-stream', extension: 'perfetto-trace', render: renderPerfetto },
}

/** Media types of all formats, without parameters. */
export const EXPORT_TYPES = Object.values(FORMATS).map(({ type }) => type.split(';')[0])

export function exportResults(format: Format, results: Iterable<RestoreResult>): ExportFile {
  const { type, extension, render } = FORMATS[format]
  return { type, extension, content: Readable.from(render(results), { objectMode: true }) }
}

function* renderJson(results: Iterable<RestoreResult>): Generator<string> {
  let before = '{"results":['
  for (const result of results) {
    yield before + JSON.stringify(result)
    before = ','
  }
  yield before === ',' ? ']}\n' : '{"results":[]}\n'
}

function* renderRows(results: Iterable<RestoreResult>): Generator<string> {
  const header = renderCsv([])
  yield header
  for (const result of results) yield renderCsv([result]).slice(header.length)
}

/** All at once: labels must differ from each other. */
function* renderHdr(results: Iterable<RestoreResult>): Generator<string> {
  yield renderHdrLog([...results])
}

/** A column a scalar field. */
async function* renderParquet(results: Iterable<RestoreResult>): AsyncGenerator<Uint8Array> {
  const columns = RECORD_FIELDS.map(([name]) => ({ name, data: [] as FieldValue[] }))
  let rows = 0
  for (const result of results) {
    for (const [i, [, value]] of RECORD_FIELDS.entries()) columns[i].data.push(value(result))
    if (++rows % ROWS_A_TURN === 0) await turn()
  }
  yield writeParquet(columns)
}
