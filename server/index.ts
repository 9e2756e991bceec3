/** `lazyrestore/server`: the HTTP server as a library, for the command line and for tests. */
import { readFileSync } from 'node:fs'
import { LazyRestoreError } from 'lazyrestore'
import { createApp } from './app.ts'
import { checkExposure } from './http/security.ts'
import { DEFAULT_LIMITS, type Limits } from './limits.ts'
import { openServices } from './services.ts'
import { withLimit } from './with-limit.ts'

export { DEFAULT_LIMITS, type Limits } from './limits.ts'

export interface ServerOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Where experiments, traces and idle sessions are kept; made if it is missing. */
  readonly dataDirectory: string
  /** Folders that snapshot files may come from; none: synthetic snapshots only. */
  readonly snapshotRoots?: readonly string[]
  /** What requests must carry; null or not given: nothing, which only a loopback address allows. */
  readonly token?: string | null
  readonly limits?: Partial<Limits>
  /** Restores at a time. */
  readonly cellThreads?: number
  readonly log?: { write(line: string): void } | null
}

export interface RunningServer {
  /** `http://127.0.0.1:7070` */
  readonly url: string
  /** Ends streams, lets requests end, leaves experiments to be resumed. */
  close(): Promise<void>
}

/** @throws LazyRestoreError `usage` for options that do not go together, `io` when port or directory cannot be used */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host, port, dataDirectory, snapshotRoots = [], token = null, log = null, cellThreads } = options
  checkExposure(host, token)
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const services = await openServices({
    dataDirectory,
    snapshotRoots,
    limits,
    ...(cellThreads === undefined ? {} : { cellThreads }),
  })
  try {
    const app = await createApp(services, { token, log })
    const url = await listen(() => app.listen({ host, port }), `${host}:${port}`)
    const close = async (): Promise<void> => {
      await withLimit(app.close(), limits.stopMs)
      app.server.closeAllConnections()
      await services.close()
    }
    return { url, close }
  } catch (error) {
    await services.close()
    throw error
  }
}

/** The token in a file, without white space around it. @throws LazyRestoreError `io`, `usage` */
export function readToken(file: string): string {
  let token: string
  try {
    token = readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw new LazyRestoreError('io', `${file}: ${(cause as Error).message}`, { cause })
  }
  if (/^[!-~]{16,}$/.test(token)) return token
  throw new LazyRestoreError('usage', `${file}: found no token, expected 16 or more visible ASCII characters`)
}

async function listen(work: () => Promise<string>, address: string): Promise<string> {
  try {
    return await work()
  } catch (cause) {
    throw new LazyRestoreError('io', `${address}: cannot listen: ${(cause as Error).message}`, { cause })
  }
}
