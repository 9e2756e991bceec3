/** However a command ends, its temporary files are gone: they have no name from the start, or are removed at the signal. */
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { probe } from '../../src/uffd/availability.ts'
import { requireForEach } from '../support/availability.ts'
import { startCli } from './run-cli.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGKILL'] as const
const LIMIT_MS = 30_000
/** A second of work and more, so that the signal finds it under way. */
const SLOW = ['--workload', 'sequential:accesses=2000,think=10ms', '--policies', 'working-set']

/** Files without a name, in `folder`, that a process has open. */
function unnamedFiles(processId: number, folder: string): Set<string> {
  const found = new Set<string>()
  for (const descriptor of readdirSync(`/proc/${processId}/fd`)) {
    try {
      const target = readlinkSync(`/proc/${processId}/fd/${descriptor}`)
      if (target.startsWith(folder) && target.endsWith(' (deleted)')) found.add(target)
    } catch {
      // Closed meanwhile.
    }
  }
  return found
}

describe('a command with temporary files', () => {
  requireForEach(() => probe().userfaultfd)

  it.each(SIGNALS.flatMap(signal => [[signal, 'the snapshot', 1] as const, [signal, 'the working set', 2] as const]))(
    'leaves nothing behind when %s ends it, after it has opened the file of %s',
    async (signal, _what, files) => {
      const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-cli-'))
      onTestFinished(() => rmSync(folder, { recursive: true }))
      const child = startCli({ temporaryFolder: folder }, ['compare', 'synthetic:64MiB', '--engine', 'uffd', ...SLOW])
      const closed = once(child, 'close')
      const deadline = Date.now() + LIMIT_MS
      while (unnamedFiles(child.pid!, folder).size < files) {
        if (Date.now() > deadline || child.exitCode !== null) throw new Error(`found no ${files} unnamed files`)
        await sleep(2)
      }
      child.kill(signal)
      expect(await closed).toEqual([null, signal])
      expect(readdirSync(folder)).toEqual([])
    },
  )
})

describe('a command that writes a file under a temporary name', () => {
  it.each([
    ['SIGINT', ['snapshot', 'make', 'synthetic:4GiB,zero=0']],
    ['SIGTERM', ['snapshot', 'make', 'synthetic:4GiB,zero=0']],
    ['SIGINT', ['trace', 'generate', 'synthetic:1GiB', '--workload', 'uniform:accesses=5000000']],
  ] as const)('leaves nothing of it behind when %s ends it: %j', async (signal, args) => {
    const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-cli-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const child = startCli({}, [...args, '-o', join(folder, 'output.ndjson')])
    const closed = once(child, 'close')
    const deadline = Date.now() + LIMIT_MS
    while (readdirSync(folder).length === 0) {
      if (Date.now() > deadline || child.exitCode !== null) throw new Error('found no file')
      await sleep(2)
    }
    expect(readdirSync(folder)[0]).toMatch(/\.partial$/)
    child.kill(signal)
    expect(await closed).toEqual([null, signal])
    expect(readdirSync(folder)).toEqual([])
  })
})
