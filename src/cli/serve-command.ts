/** `serve`: the library over HTTP, for teams, notebooks and CI jobs. */
import type { Command } from 'commander'
import { parseCount } from '../core/units.ts'

interface ServeOptions {
  readonly host: string
  readonly port: string
}

export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description('Serve the HTTP API and the dashboard.')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <n>', 'port to listen on; 0: any, the first line on stdout says which', '7070')
    .addHelpText('after', '\nExample:\n  lazyrestore serve --port 0 --data-dir ./experiments')
    .action(runServe)
}

async function runServe({ host, port }: ServeOptions): Promise<void> {
  const { startServer } = await import('lazyrestore/server')
  const { url } = await startServer({ host, port: parseCount(port, '--port') })
  process.stdout.write(`listening on ${url}\n`)
}
