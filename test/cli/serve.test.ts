/** What `serve`, and `worker` of the same options, refuse before they begin. */
import { expect, it } from 'vitest'
import { temporaryFolder } from '../server/temporary-folder.ts'
import { runCli } from './run-cli.ts'

const SERVE = ['serve', '--data-dir', temporaryFolder()]
const WORKER = ['worker', '--redis', 'unix:/no/such']

it.each([
  [[...SERVE, '--threads', '0'], '--threads: found 0, expected 1 to 1000'],
  [[...SERVE, '--port', '99999'], '--port: found 99999, expected 0 to 65535'],
  [[...SERVE, '--snapshot-root', 'package.json'], '--snapshot-root package.json: found a file, expected a folder'],
  [[...SERVE, '--snapshot-root', '/no/such'], '--snapshot-root /no/such: found no such folder'],
  [[...WORKER, '--snapshot-root', 'package.json'], '--snapshot-root package.json: found a file, expected a folder'],
])('%j ends with a message', async (args, message) => {
  expect(await runCli(...args)).toEqual({ exitCode: 2, stdout: '', stderr: `lazyrestore: ${message}\n` })
})
