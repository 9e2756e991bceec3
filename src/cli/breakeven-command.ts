/** `breakeven`: at which guest size, working set, bandwidth, round trip or zero share two policies cross. */
import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import { parseSpecList } from '../core/spec-string.ts'
import { parseCount, parseDurationNs } from '../core/units.ts'
import {
  applyValue,
  BREAK_EVEN_PARAMETERS,
  findParameter,
  rangeOf,
  withMemorySeed,
} from '../experiment/break-even/parameters.ts'
import { type Probe, searchBreakEven } from '../experiment/break-even/search.ts'
import { checkPolicySpec } from '../policy/registry.ts'
import type { BreakEvenReport } from '../report/break-even-figure.ts'
import { commandLine } from './command-line.ts'
import { countFrom, loadHostProfile, STORAGE_HELP } from './options.ts'
import { Progress } from './progress.ts'
import { SNAPSHOT_HELP } from './snapshot-options.ts'
import { stopSignal } from './stop-signal.ts'

interface BreakEvenOptions {
  readonly policies: string
  readonly over: string
  readonly from?: string
  readonly to?: string
  readonly workload: string
  readonly storage: string
  readonly hostPageSize: string
  readonly metric: string
  readonly seeds: string
  readonly seed: string
  readonly points: string
  readonly fixed: string
  readonly profile?: string
  readonly cores?: string
  readonly threads?: string
  readonly json?: boolean
  readonly figure?: string
  readonly report?: string
}

/** What can be compared: the name, and the record's field. */
const METRICS = { 'work-done': 'workDoneNs', resume: 'resumeNs', resident: 'residentNs' } as const
/** A hundredth of a step between two points of the first look, or less. */
const TOLERANCE = 0.001

const HELP = `
Parameters (--over):
${BREAK_EVEN_PARAMETERS.map(({ name, summary, from, to }) => `  ${name.padEnd(12)} ${summary}; from ${from} to ${to}`).join('\n')}

Both policies are restored at some values over the range, with several seeds; where the mean changes its sign, each seed's own
crossing is found by bisection. The answer is their median; the band holds the true median with 95 % confidence.

Examples:
  lazyrestore breakeven --policies eager,lazy --over working-set
  lazyrestore breakeven --policies eager,lazy-sweep --over size --workload working-set:pages=4000 --report breakeven.html`

export function addBreakevenCommand(program: Command): void {
  program
    .command('breakeven')
    .description('Find where two policies cross: by guest size, working set, bandwidth, round trip or zero share.')
    .argument('[snapshot]', SNAPSHOT_HELP, 'synthetic:256MiB,zero=60%')
    .requiredOption('--policies <a,b>', 'the two policies, with options')
    .requiredOption('--over <parameter>', BREAK_EVEN_PARAMETERS.map(({ name }) => name).join(', '))
    .option('--from <value>', 'where to begin looking')
    .option('--to <value>', 'where to end')
    .option('--workload <spec>', 'the workload, or a trace file', 'working-set')
    .option('--storage <spec>', STORAGE_HELP, 'nvme')
    .option('--host-page-size <spec>', 'as of compare', '4K')
    .option('--metric <name>', `what is compared: ${Object.keys(METRICS).join(', ')}`, 'work-done')
    .option('--seeds <n>', 'how many seeds: of memory, workload and device', '16')
    .option('--seed <n>', 'the first of them', '1')
    .option('--points <n>', 'values of the first look', '9')
    .option('--fixed <duration>', 'the part of the resume that no policy changes', '8ms')
    .option('--profile <file>', "the host's costs, as `lazyrestore calibrate` measures them")
    .option('--cores <n>', "host cores; the profile's when not given")
    .option('--threads <n>', 'restores at a time; as many as there are cores when not given')
    .option('--json', 'print what was found as JSON')
    .option('--figure <file>', 'write the figure as SVG')
    .option('--report <file>', 'write an HTML report')
    .addHelpText('after', HELP)
    .action(runBreakeven)
}

async function runBreakeven(snapshot: string, options: BreakEvenOptions): Promise<void> {
  const policies = twoPolicies(options.policies)
  const parameter = findParameter(options.over)
  const range = rangeOf(parameter, options.from, options.to)
  const metric = Object.keys(METRICS).find(name => name === options.metric) as keyof typeof METRICS | undefined
  if (metric === undefined) {
    throw new LazyRestoreError(
      'usage',
      `--metric: found "${options.metric}", expected one of ${Object.keys(METRICS).join(', ')}`,
    )
  }
  const seeds = Array.from(
    { length: countFrom(options.seeds, '--seeds', 1) },
    (_, i) => parseCount(options.seed, '--seed') + i,
  )
  const points = countFrom(options.points, '--points', 2)
  const { workload, storage, hostPageSize: layout } = options
  const texts = { snapshot, layout, workload, storage }
  // Says what is wrong with the parameter before anything is restored.
  applyValue(parameter, texts, range, range.from)
  const { CellRunner } = await import('lazyrestore/sweeps')
  const runner = new CellRunner({
    profile:
      options.profile === undefined && options.cores === undefined
        ? null
        : await loadHostProfile(options.profile, options.cores),
    fixedNs: parseDurationNs(options.fixed, '--fixed'),
    signal: stopSignal(),
    ...(options.threads === undefined ? {} : { threads: countFrom(options.threads, '--threads', 1) }),
  })
  const progress = new Progress()
  let restores = 0
  const measure = async (probes: readonly Probe[]): Promise<number[]> => {
    const cells = probes.map(({ value, seed, policy }) => {
      return { ...withMemorySeed(applyValue(parameter, texts, range, value), seed), policy: policies[policy], seed }
    })
    const results = await runner.restore(cells, () => progress.update(`${++restores} restores`))
    return results.map(result => {
      const timeNs = result[METRICS[metric]]
      if (timeNs !== null) return timeNs
      throw new LazyRestoreError(
        'mismatch',
        `${result.policy}: found that it never is ${metric}, expected a policy that fills memory`,
      )
    })
  }
  try {
    const result = await searchBreakEven({ range, seeds, points, tolerance: TOLERANCE, measure })
    progress.done()
    const report = {
      parameter: parameter.name,
      range,
      policies,
      metric: metric.replace('-', ' '),
      seeds: seeds.length,
      result,
    }
    await show(report, texts, restores, options)
  } finally {
    progress.done()
    await runner.close()
  }
}

async function show(
  report: BreakEvenReport,
  { snapshot, workload, storage, layout }: Record<'snapshot' | 'workload' | 'storage' | 'layout', string>,
  restores: number,
  { json, figure, report: html }: BreakEvenOptions,
): Promise<void> {
  const { breakEvenFigure, breakEvenSentences } = await import('../report/break-even-figure.ts')
  if (figure !== undefined) {
    const { standaloneSvg } = await import('../report/figures.ts')
    await writeOrSay(figure, standaloneSvg(breakEvenFigure(report)))
  }
  if (html !== undefined) {
    const { renderBreakEvenReport } = await import('../report/break-even-html.ts')
    const facts = [
      ['snapshot', snapshot],
      ['workload', workload],
      ['storage', storage],
      ['memory', layout],
    ] as const
    await writeOrSay(html, renderBreakEvenReport(report, [...facts, ['restores', String(restores)]], commandLine()))
  }
  if (json) process.stdout.write(`${JSON.stringify({ ...told(report), restores })}\n`)
  else
    for (const line of [...breakEvenSentences(report), ...[figure, html].filter(file => file !== undefined)])
      process.stdout.write(`${line}\n`)
}

/** The report as `--json` prints it: of the first look, the medians are in `points` by policy. */
function told({ parameter, range: { unit, from, to }, policies, metric, seeds, result }: BreakEvenReport): object {
  return { parameter, unit, from, to, policies, metric, seeds, ...result }
}

function twoPolicies(text: string): [string, string] {
  const specs = parseSpecList(text)
  for (const spec of specs) checkPolicySpec(spec)
  const written = specs.map(({ name, options }) => {
    const given = Object.entries(options).map(([key, value]) => `${key}=${value}`)
    return given.length === 0 ? name : `${name}:${given.join(',')}`
  })
  if (written.length === 2) return [written[0], written[1]]
  throw new LazyRestoreError('usage', `--policies: found ${written.length}, expected two`)
}

async function writeOrSay(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text)
  } catch (cause) {
    throw new LazyRestoreError('io', `${file}: ${(cause as Error).message}`, { cause })
  }
}
