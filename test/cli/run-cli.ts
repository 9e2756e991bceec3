/** Runs the built command line as a user does, in a process of its own. */
import { spawn } from 'node:child_process'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const TIMEOUT_MS = 60_000

export interface CliRun {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export function runCli(...args: string[]): Promise<CliRun> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [join(ROOT, 'dist/cli/main.js'), ...args], { timeout: TIMEOUT_MS })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    child.on('error', fail)
    child.on('close', exitCode => done({ exitCode, stdout, stderr }))
  })
}

export async function runJson<T>(...args: string[]): Promise<T> {
  const { exitCode, stdout, stderr } = await runCli(...args, '--json')
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}: ${stderr}`)
  return JSON.parse(stdout)
}
