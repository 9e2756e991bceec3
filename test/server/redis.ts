/** A redis-server of the test's own: on a socket in a temporary folder, without a port and without a file. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { until } from './support.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** Null: it is there. */
export function redisMissing(): string | null {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    return null
  } catch {
    return 'found no redis-server, expected one (apt-get install redis-server)'
  }
}

/** Started before the tests of the file, and ended after them. Returns its URL. */
export function useRedis(): string {
  const folder = temporaryFolder()
  const socket = join(folder, 'redis.sock')
  let server: ChildProcess | null = null
  beforeAll(async () => {
    if (redisMissing() !== null) return
    const settings = ['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no', '--dir', folder]
    server = spawn('redis-server', settings, { stdio: 'ignore' })
    await until(() => existsSync(socket), 'socket of redis-server')
  })
  afterAll(() => {
    server?.kill('SIGKILL')
  })
  return `unix:${socket}`
}
