/** The library as a user imports it: the example of docs/api.md, run as it stands there against the built package. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = resolve(import.meta.dirname, '..')

it('the example of docs/api.md runs and prints a line a policy', () => {
  const [, example] = /```ts\n([\s\S]*?)```/.exec(readFileSync(resolve(ROOT, 'docs/api.md'), 'utf8'))!
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', example], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 60_000,
  })
  expect(output).toMatch(/^eager \d+(\.\d+)?\nlazy \d+(\.\d+)?\nworking-set \d+(\.\d+)?\n$/)
})
