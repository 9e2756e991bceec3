/**
 * `npm run bench [-- NAME …] [--json]`: runs the named benches, or all, and prints a record a measure, as a table or as one
 * JSON object a line.
 */
import { burst } from './burst.ts'
import { http } from './http.ts'
import { huge } from './huge.ts'
import { layers } from './layers.ts'
import { micro } from './micro.ts'
import type { Bench, BenchRecord } from './record.ts'
import { replay } from './replay.ts'
import { resolver } from './resolver.ts'
import { simAccess } from './sim-access.ts'
import { sweep } from './sweep.ts'
import { uffdFaults } from './uffd-faults.ts'
import { zeroScan } from './zero-scan.ts'

const BENCHES: readonly Bench[] = [
  simAccess,
  replay,
  http,
  huge,
  burst,
  resolver,
  layers,
  micro,
  sweep,
  uffdFaults,
  zeroScan,
]

const COLUMNS: readonly (readonly [title: string, cell: (record: BenchRecord) => string])[] = [
  ['measure', ({ name }) => name],
  ['median', ({ value, unit }) => `${digits(value)} ${unit}`],
  ['min', ({ min }) => digits(min)],
  ['max', ({ max }) => digits(max)],
  ['rounds', ({ rounds }) => String(rounds)],
  ['ratio', ({ ratio, against }) => (ratio === null ? '' : `${ratio.toFixed(2)} × ${against}`)],
]

const args = process.argv.slice(2)
const names = args.filter(arg => arg !== '--json')
const unknown = names.find(name => BENCHES.every(bench => bench.name !== name))
if (unknown === undefined) await runAll(BENCHES.filter(({ name }) => names.length === 0 || names.includes(name)))
else {
  const list = BENCHES.map(({ name, summary }) => `  ${name.padEnd(12)}${summary}`).join('\n')
  console.error(`bench: found "${unknown}", expected --json or one of\n${list}`)
  process.exitCode = 2
}

async function runAll(benches: readonly Bench[]): Promise<void> {
  for (const { name, run } of benches) {
    process.stderr.write(`${name} …\n`)
    const records: BenchRecord[] = []
    for await (const record of run()) {
      records.push(record)
      if (args.includes('--json')) console.log(JSON.stringify(record))
    }
    if (!args.includes('--json')) console.log(`${table(records)}\n`)
  }
}

function table(records: readonly BenchRecord[]): string {
  const rows = [COLUMNS.map(([title]) => title), ...records.map(record => COLUMNS.map(([, cell]) => cell(record)))]
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map(row => row[column].length)))
  const isText = (column: number) => column === 0 || column === COLUMNS.length - 1
  return rows
    .map(row =>
      row
        .map((cell, i) => (isText(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Three significant digits, or all of a whole number's. */
function digits(value: number): string {
  return (value >= 100 ? Math.round(value) : Number(value.toPrecision(3))).toLocaleString('en-US')
}
