/** `serve`: the library over HTTP, for teams, notebooks and CI jobs. */
import { once } from 'node:events'
import type { Command } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import { parseCount } from '../core/units.ts'
import { countFrom } from './options.ts'
import { stopSignal } from './stop-signal.ts'

interface ServeOptions {
  readonly host: string
  readonly port: string
  readonly dataDir: string
  readonly snapshotRoot: readonly string[]
  readonly tokenFile?: string
  readonly threads?: string
  readonly quiet?: boolean
}

const HELP = `
The first line on stdout is "listening on URL"; the log goes to stderr, a JSON object a line. The API is described at /docs.
SIGTERM and SIGINT stop it: requests under way are answered, experiments can be resumed later.

Examples:
  lazyrestore serve --snapshot-root /var/lib/snapshots
  lazyrestore serve --host 0.0.0.0 --token-file token --data-dir /srv/lazyrestore`

export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description('Serve the HTTP API and the dashboard: experiments, fault replay, snapshots, traces.')
    .option('--host <address>', 'address to listen on; others than loopback need --token-file', '127.0.0.1')
    .option('--port <n>', 'port to listen on; 0: any', '7070')
    .option('--data-dir <folder>', 'where experiments, traces and idle sessions are kept', 'lazyrestore-data')
    .option('--snapshot-root <folder...>', 'folders that snapshot files may come from; none: synthetic ones only', [])
    .option('--token-file <file>', 'holds the token that requests must carry')
    .option('--threads <n>', 'restores at a time; one core fewer than there are when not given')
    .option('--quiet', 'no log')
    .addHelpText('after', HELP)
    .action(runServe)
}

/** A port has 16 bits. */
const MAX_PORT = 65_535

async function runServe(options: ServeOptions): Promise<void> {
  const { host, port, dataDir, snapshotRoot, tokenFile, threads, quiet } = options
  const atATime = threads === undefined ? {} : { cellThreads: countFrom(threads, '--threads', 1) }
  const { readToken, startServer } = await import('lazyrestore/server')
  const server = await startServer({
    host,
    port: parsePort(port),
    dataDirectory: dataDir,
    snapshotRoots: snapshotRoot,
    token: tokenFile === undefined ? null : readToken(tokenFile),
    log: quiet ? null : process.stderr,
    ...atATime,
  })
  process.stdout.write(`listening on ${server.url}\n`)
  await once(stopSignal(), 'abort')
  await server.close()
}

function parsePort(text: string): number {
  const port = parseCount(text, '--port')
  if (port <= MAX_PORT) return port
  throw new LazyRestoreError('usage', `--port: found ${port}, expected 0 to ${MAX_PORT}`)
}
