/** Runs a command as a user gives it, in a process of its own that tells its peak memory when it ends. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { KIB, MIB } from '../src/core/units.ts'

const CLI = join(import.meta.dirname, '../dist/cli/main.js')
/** Runs in the command's process, before it. maxRSS is in KiB. */
const TELL_PEAK = "process.on('exit', () => process.stderr.write('peak ' + process.resourceUsage().maxRSS))"

export interface CommandRun<T> {
  /** What it printed, which is JSON. */
  readonly output: T
  readonly peakMib: number
  readonly wallS: number
}

/** Needs the build in dist. */
export async function runCommand<T>(args: readonly string[], timeoutMs: number): Promise<CommandRun<T>> {
  const start = performance.now()
  const parameters = ['--import', `data:text/javascript,${encodeURIComponent(TELL_PEAK)}`, CLI, ...args]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, parameters, { timeout: timeoutMs })
  const peakKib = Number(/peak (\d+)$/.exec(stderr)?.[1])
  if (!(peakKib > 0)) throw new Error(`${args[0]}: found "${stderr}", expected the peak memory`)
  return {
    output: JSON.parse(stdout),
    peakMib: (peakKib * KIB) / MIB,
    wallS: (performance.now() - start) / 1000,
  }
}
