/** Runs the built command line as a user does, in a process of its own. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { dirname, join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const TIMEOUT_MS = 180_000

export interface CliRun {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliSetting {
  /** Folder of the installation; the repository when not given. */
  readonly root?: string
  /** Words in front of the command, such as `unshare --mount`. */
  readonly prefix?: readonly string[]
  /** User and group to run as. */
  readonly userId?: number
  /** Where temporary files go. */
  readonly temporaryFolder?: string
}

export function startCli(setting: CliSetting, args: readonly string[]): ChildProcessByStdio<null, Readable, Readable> {
  const { root = ROOT, prefix = [], userId, temporaryFolder } = setting
  const [command, ...rest] = [...prefix, process.execPath, join(root, 'dist/cli/main.js'), ...args]
  return spawn(command, rest, {
    timeout: TIMEOUT_MS,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(userId === undefined ? {} : { uid: userId, gid: userId }),
    ...(temporaryFolder === undefined ? {} : { env: { ...process.env, TMPDIR: temporaryFolder } }),
  })
}

export function runCliIn(setting: CliSetting, ...args: string[]): Promise<CliRun> {
  return new Promise((done, fail) => {
    const child = startCli(setting, args)
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

export function runCli(...args: string[]): Promise<CliRun> {
  return runCliIn({}, ...args)
}

export async function runJson<T>(...args: string[]): Promise<T> {
  return parsed(await runCli(...args, '--json'))
}

/** What a command printed as JSON. @throws Error with what it said instead */
export function parsed<T>({ exitCode, stdout, stderr }: CliRun): T {
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}: ${stderr}`)
  return JSON.parse(stdout)
}
