/**
 * What a guest's vCPUs ask for in one run is there before they ask in the next.
 *
 * @module-tag kvm
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { requireForEach } from '../support/availability.ts'
import { wrongPages, ZERO_FOLD } from './expected.ts'
import { TestHandler } from './handler-process.ts'
import { awaitAtMost, until } from './processes.ts'
import { snapshotOf, testFolder } from './snapshots.ts'
import { inspectWhenInstalled, missing, startVmm } from './support.ts'
import type { PageRun } from './vmm/protocol.ts'

requireForEach(missing)

const MAIN = resolve(import.meta.dirname, '../../dist/cli/main.js')
/** Both sides of the hole between the regions. */
const PAGES: readonly PageRun[] = [
  [200, 700],
  [9000, 400],
  [14_000, 900],
]
const COUNT = 2000

it('a guest is recorded, and the next one finds what that one used', async () => {
  const snapshot = await snapshotOf('firecracker')
  const folder = testFolder()
  const trace = join(folder, 'run.lrtrace')
  const recorder = new TestHandler(snapshot.name, '--policy', 'lazy', '--record', trace)
  const first = await startVmm(recorder, snapshot)
  await first.fold({ vcpus: 2, seed: 1, pages: PAGES })
  first.kill()
  expect(await recorder.event('vm')).toMatchObject({ faultedPages: COUNT, end: 'ended' })
  await until(() => existsSync(trace), 'recording')

  const workingSet = join(folder, 'run.lrws')
  await promisify(execFile)(process.execPath, [MAIN, 'workingset', 'build', snapshot.name, trace, '-o', workingSet])
  const handler = new TestHandler(snapshot.name, '--policy', 'working-set:sweep=false', '--working-set', workingSet)
  const next = await startVmm(handler, snapshot)
  const isUsed = (page: number) => PAGES.some(([start, count]) => page >= start && page < start + count)
  const { folds } = await inspectWhenInstalled(next, isUsed)
  expect(wrongPages(folds, snapshot.folds, PAGES)).toEqual([])
  const others = folds.filter((fold, page) => fold !== 0 && !isUsed(page))
  expect(others).toHaveLength(0)
  expect(wrongPages(await next.fold({ vcpus: 2, seed: 2, pages: PAGES }), snapshot.folds, PAGES)).toEqual([])
  // A page that the other run did not use.
  const outside = snapshot.folds.findIndex((fold, page) => fold !== ZERO_FOLD && !isUsed(page))
  await next.fold({ pages: [[outside, 1]] })
  next.kill()
  await awaitAtMost(next.ended, 'end of the VMM')
  expect(await handler.event('vm')).toMatchObject({ faults: 1, faultedPages: 1, installedPages: COUNT + 1 })
})
