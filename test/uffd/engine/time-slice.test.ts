/** A thread with a short slice keeps its policy and nice value, and has them afterwards. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { nativeReason } from '../../../src/uffd/native.ts'
import { requireForEach } from '../../support/availability.ts'

const MODULE = pathToFileURL(join(import.meta.dirname, '../../../dist/uffd/engine/time-slice.js')).href
/** Prints [nice, policy] of its thread before, within and after (proc_pid_stat(5), fields 19 and 41). */
const PROGRAM = `
import { readFileSync } from 'node:fs'
import { withTimeSlice } from '${MODULE}'
const look = () => {
  const fields = readFileSync('/proc/thread-self/stat', 'latin1').replace(/^.*\\) /, '').split(' ')
  return [Number(fields[16]), Number(fields[38])]
}
console.log(JSON.stringify([look(), withTimeSlice(100_000, look), look()]))`

requireForEach(() => nativeReason() ?? (spawnSync('chrt', ['--version']).error ? 'no chrt (package util-linux)' : null))

it.each([
  ['nice', ['-n', '10'], [10, 0]],
  ['chrt', ['--batch', '0'], [0, 3]],
  ['chrt', ['--idle', '0'], [0, 5]],
])('as %s %j has made it', (command, options, expected) => {
  const program = [process.execPath, '--input-type=module', '-e', PROGRAM]
  const { stdout, stderr } = spawnSync(command, [...options, ...program], { encoding: 'utf8', timeout: 20_000 })
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual([expected, expected, expected])
})
