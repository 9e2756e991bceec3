/** Another command of lazyrestore, to its end. */
import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..')

export interface CommandResult {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export function runCommand(parameters: readonly string[]): Promise<CommandResult> {
  return new Promise(resolve => {
    const command = ['dist/cli/main.js', ...parameters]
    const child = execFile(process.execPath, command, { cwd: ROOT, timeout: 30_000 }, (_error, stdout, stderr) => {
      resolve({ status: child.exitCode, stdout, stderr })
    })
  })
}
