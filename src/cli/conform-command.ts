/** `conform`: holds the model kernel and this host's kernel against cases of userfaultfd, and against each other. */
import { type Command, Option } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import { readTextFile } from '../core/text-file.ts'
import { formatCount, MIB, parseCount } from '../core/units.ts'
import { builtInCases } from '../uffd/model/conform/built-in-cases.ts'
import { type ConformCase, parseCases } from '../uffd/model/conform/case-file.ts'
import { runCases } from '../uffd/model/conform/conform.ts'
import { hostLacks } from '../uffd/model/conform/host-files.ts'
import { hostKernel, hostProblem, hostProfile } from '../uffd/model/conform/host-kernel.ts'
import { modelConformKernel } from '../uffd/model/conform/model-conform-kernel.ts'
import { type RandomRun, runRandomScripts } from '../uffd/model/conform/random-run.ts'
import { createReport, describeReport } from '../uffd/model/conform/report.ts'
import { KERNEL_PROFILES, type KernelProfile } from '../uffd/model/profile.ts'
import { Progress } from './progress.ts'

const MAX_CASE_BYTES = 16 * MIB
const MOST_RANDOM_OPERATIONS = 10_000_000

interface ConformOptions {
  readonly cases?: string
  readonly random?: string
  readonly seed: string
  readonly profile?: KernelProfile
  readonly json?: boolean
}

const HELP = `
Examples:
  lazyrestore conform
  lazyrestore conform --cases mine.tsv --random 5000 --seed 7
docs/conform.md has the format of cases, and what is compared.`

export function addConformCommand(program: Command): void {
  program
    .command('conform')
    .description("Check the model of userfaultfd, and this host's kernel, against cases and each other.")
    .option('--cases <file>', 'the cases, tab-separated (default: those of docs/conform)')
    .option('--random <n>', 'also compare at least n random operations on both kernels')
    .option('--seed <n>', 'for the random operations', '1')
    .addOption(
      new Option('--profile <version>', "the kernel whose answers are expected (default: next to this host's)").choices(
        KERNEL_PROFILES,
      ),
    )
    .option('--json', 'print as JSON')
    .addHelpText('after', HELP)
    .action(runConform)
}

async function runConform(options: ConformOptions): Promise<void> {
  const operations = options.random === undefined ? 0 : parseRandom(options.random)
  const seed = parseCount(options.seed, '--seed')
  const cases = options.cases === undefined ? builtInCases() : readCases(options.cases)
  const profile = options.profile ?? hostProfile()
  const hostMissing = whyNoHost(profile)
  const host = hostMissing === null ? hostKernel() : null
  const kernels = [modelConformKernel({ profile }), ...(host === null ? [] : [host])]
  const progress = new Progress()
  try {
    let done = 0
    const results = await runCases(cases, kernels, profile, () => progress.update(`case ${++done} of ${cases.length}`))
    let random: RandomRun | null = null
    if (host !== null && operations > 0) {
      const huge = hostLacks('hugetlb') === null
      const onScript = (count: number) => progress.update(`random operation ${formatCount(count)}`)
      random = await runRandomScripts(host, { operations, seed, profile, huge, onScript })
    }
    progress.done()
    const names = kernels.map(({ name }) => name)
    const report = createReport(profile, names, hostMissing, results, random)
    process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : describeReport(report))
    const differing = report.disagreements.length
    if (differing > 0) throw new LazyRestoreError('mismatch', `conform: found ${differing} that differ, expected none`)
  } finally {
    await host?.close()
  }
}

function parseRandom(text: string): number {
  const operations = parseCount(text, '--random')
  if (operations >= 1 && operations <= MOST_RANDOM_OPERATIONS) return operations
  throw new LazyRestoreError('usage', `--random: found ${text}, expected 1 to ${MOST_RANDOM_OPERATIONS}`)
}

function readCases(file: string): ConformCase[] {
  return parseCases(readTextFile(file, 'cases', MAX_CASE_BYTES), file)
}

/** One line that says why only the model is run; null when the host is too. */
function whyNoHost(profile: KernelProfile): string | null {
  const own = hostProfile()
  return (
    hostProblem() ??
    (profile === own ? null : `--profile: found ${profile}, expected ${own} to compare with this host's kernel`)
  )
}
