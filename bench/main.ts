/**
 * `npm run bench [-- NAME …] [--json]`: runs the named benches, or all, and prints a record a measure, as a table or as one
 * JSON object a line.
 */
import { spawnSync } from 'node:child_process'
import type { Bench, BenchRecord } from './record.ts'

/** Loaded one at a time, and each run in a process of its own: what others have loaded and compiled slows the simulator by a tenth. */
const BENCHES: Record<string, () => Promise<Bench>> = {
  'sim-access': async () => (await import('./sim-access.ts')).simAccess,
  replay: async () => (await import('./replay.ts')).replay,
  http: async () => (await import('./http.ts')).http,
  huge: async () => (await import('./huge.ts')).huge,
  burst: async () => (await import('./burst.ts')).burst,
  resolver: async () => (await import('./resolver.ts')).resolver,
  layers: async () => (await import('./layers.ts')).layers,
  micro: async () => (await import('./micro.ts')).micro,
  sweep: async () => (await import('./sweep.ts')).sweep,
  'uffd-faults': async () => (await import('./uffd-faults.ts')).uffdFaults,
  'zero-scan': async () => (await import('./zero-scan.ts')).zeroScan,
}

const COLUMNS: readonly (readonly [title: string, cell: (record: BenchRecord) => string])[] = [
  ['measure', ({ name }) => name],
  ['median', ({ value, unit }) => `${digits(value)} ${unit}`],
  ['min', ({ min }) => digits(min)],
  ['max', ({ max }) => digits(max)],
  ['rounds', ({ rounds }) => String(rounds)],
  ['ratio', ({ ratio, against }) => (ratio === null ? '' : `${ratio.toFixed(2)} × ${against}`)],
]

const args = process.argv.slice(2)
const chosen = args.filter(arg => arg !== '--json')
const names = chosen.length === 0 ? Object.keys(BENCHES) : chosen
const unknown = names.find(name => !(name in BENCHES))
if (unknown !== undefined) {
  console.error(`bench: found "${unknown}", expected --json or one of\n${await list()}`)
  process.exitCode = 2
} else if (names.length === 1) await run(await BENCHES[names[0]]())
else for (const name of names) process.exitCode = runApart(name) || process.exitCode

async function list(): Promise<string> {
  const benches = await Promise.all(Object.values(BENCHES).map(load => load()))
  return benches.map(({ name, summary }) => `  ${name.padEnd(12)}${summary}`).join('\n')
}

async function run({ name, run }: Bench): Promise<void> {
  process.stderr.write(`${name} …\n`)
  const records: BenchRecord[] = []
  for await (const record of run()) {
    records.push(record)
    if (args.includes('--json')) console.log(JSON.stringify(record))
  }
  if (!args.includes('--json')) console.log(`${table(records)}\n`)
}

/** @returns its exit code */
function runApart(name: string): number {
  const options = args.filter(arg => arg === '--json')
  const command = [...process.execArgv, process.argv[1], name, ...options]
  return spawnSync(process.execPath, command, { stdio: 'inherit' }).status ?? 1
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
