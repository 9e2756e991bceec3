/** What `serve` refuses before it listens. */
import { expect, it } from 'vitest'
import { temporaryFolder } from '../server/temporary-folder.ts'
import { runCli } from './run-cli.ts'

it.each([[['--threads', '0'], /^lazyrestore: --threads: found 0, expected 1 to 1000\n$/]])(
  'serve %j ends with a message',
  async (args, message) => {
    const run = await runCli('serve', '--data-dir', temporaryFolder(), ...args)
    expect(run.stderr).toMatch(message)
    expect(run).toMatchObject({ exitCode: 2, stdout: '' })
  },
)
