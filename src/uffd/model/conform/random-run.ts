/** Random scripts on the model and the host's kernel. One that differs is made short before it is shown. */
import { createRandom } from '../../../core/random.ts'
import type { KernelProfile } from '../profile.ts'
import { type ConformKernel, compareScript, type ScriptResult } from './conform.ts'
import { modelConformKernel } from './model-conform-kernel.ts'
import { pruneScript } from './prune.ts'
import { randomScript, scriptSeeds } from './random-script.ts'

/** Operations drawn for a script; in a longer one little is left to go wrong, as most memory has been unmapped. */
const SCRIPT_OPERATIONS = 40
/** Differing scripts after which there is no point in going on. */
const MOST_DIFFERENCES = 5
/** Longest that a script is tried to be made shorter. */
const SHORTEN_LIMIT_MS = 20_000

export interface RandomRunOptions {
  /** At least so many are run; a `look` does not count. */
  readonly operations: number
  readonly seed: number
  readonly profile: KernelProfile
  /** With 2 MiB pages; the host needs HUGE_PAGES_NEEDED of them. */
  readonly huge: boolean
  /** Called after each script, for progress. */
  readonly onScript?: (operations: number) => void
}

export interface RandomRun {
  readonly seed: number
  readonly scripts: number
  readonly operations: number
  /** Each up to its first difference. */
  readonly differences: readonly ScriptResult[]
}

export async function runRandomScripts(host: ConformKernel, options: RandomRunOptions): Promise<RandomRun> {
  const { seed, huge, profile, onScript = () => {} } = options
  const random = createRandom(seed)
  const differences: ScriptResult[] = []
  let operations = 0
  let scripts = 0
  const compare = (seeds: readonly number[]) => comparePruned(`seed ${seed}`, randomScript(seeds, huge), host, profile)
  while (operations < options.operations && differences.length < MOST_DIFFERENCES) {
    const seeds = scriptSeeds(random, SCRIPT_OPERATIONS)
    const result = await compare(seeds)
    operations += countOperations(result)
    scripts++
    if (result.state === 'differs') differences.push(upToDifference(await shorten(result, seeds, compare)))
    onScript(operations)
  }
  return { seed, scripts, operations, differences }
}

/** Runs what of a script can be compared. */
export function comparePruned(
  name: string,
  operations: readonly string[],
  host: ConformKernel,
  profile: KernelProfile,
): Promise<ScriptResult> {
  const { script } = pruneScript(operations, { profile })
  return compareScript(name, script, [modelConformKernel({ profile }), host])
}

/** Operations of a script that was run, but for looks. */
export function countOperations({ lines }: ScriptResult): number {
  return lines.filter(({ operation }) => operation !== 'look').length
}

/** Leaves out one operation after the other, the last ones first, as long as the kernels still differ. */
async function shorten(
  found: ScriptResult,
  seeds: readonly number[],
  compare: (seeds: readonly number[]) => Promise<ScriptResult>,
): Promise<ScriptResult> {
  const deadline = Date.now() + SHORTEN_LIMIT_MS
  let shortest = found
  let kept = seeds
  for (let index = seeds.length - 1; index > 0 && Date.now() < deadline; index--) {
    const fewer = kept.filter((_, other) => other !== index)
    const result = await compare(fewer)
    if (result.state === 'agrees') continue
    kept = fewer
    shortest = result
  }
  return shortest
}

function upToDifference(result: ScriptResult): ScriptResult {
  const first = result.lines.findIndex(({ agrees }) => !agrees)
  return { ...result, lines: result.lines.slice(0, first + 1) }
}
