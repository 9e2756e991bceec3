/**
 * `npm run fuzz [-- --runs N] [--seed N] [--reader NAME]`: mutated inputs for each reader, each reader in a process of its own,
 * so that its memory is its own. Prints a line a reader; the exit code is 1 when something did not hold, with the input.
 */
import { execFile } from 'node:child_process'
import { parseArgs } from 'node:util'
import { fuzz } from './check.ts'
import { fuzzedReaders } from './readers.ts'

const MAX_RSS_MIB = 256

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    reader: { type: 'string' },
  },
})
const readers = await fuzzedReaders()

if (values.reader !== undefined) {
  const reader = readers.find(({ name }) => name === values.reader)
  if (reader === undefined)
    throw new Error(`--reader: found ${values.reader}, expected one of ${readers.map(r => r.name)}`)
  const result = await fuzz(reader, Number(values.runs), Number(values.seed))
  const { reader: name, runs, read, refused, slowestMs, largestRssMiB } = result
  const took = `slowest ${slowestMs.toFixed(1)} ms, ${largestRssMiB.toFixed(0)} MiB resident at most`
  process.stdout.write(`${name.padEnd(17)} ${runs} inputs: ${read} read, ${refused} refused; ${took}\n`)
  if (largestRssMiB > MAX_RSS_MIB)
    throw new Error(`found ${largestRssMiB} MiB resident, expected at most ${MAX_RSS_MIB}`)
} else {
  process.stdout.write(`seed ${values.seed}\n`)
  for (const { name } of readers) {
    const again = [...process.execArgv, ...process.argv.slice(1, 2), '--reader', name]
    const options = ['--runs', values.runs, '--seed', values.seed]
    const failed = await new Promise<boolean>(resolve => {
      const child = execFile(process.execPath, [...again, ...options], error => resolve(error !== null))
      child.stdout?.pipe(process.stdout)
      child.stderr?.pipe(process.stderr)
    })
    if (failed) process.exitCode = 1
  }
}
