/** Runs a TypeScript file in a process of its own, for what may hang or die. It is killed when its time is up. */
import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..')

export interface ChildResult {
  readonly status: number | null
  /** SIGKILL when its time was up. */
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** @param file from the top of the repository */
export function runChild(file: string, parameters: readonly string[], timeoutMs = 30_000): Promise<ChildResult> {
  const command = ['--import', 'tsx', join(ROOT, file), ...parameters]
  const options = { cwd: ROOT, timeout: timeoutMs, killSignal: 'SIGKILL' } as const
  return new Promise(resolve => {
    const child = execFile(process.execPath, command, options, (_error, stdout, stderr) => {
      resolve({ status: child.exitCode, signal: child.signalCode, stdout, stderr })
    })
  })
}
