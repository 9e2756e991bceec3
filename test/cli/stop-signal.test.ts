/** What a command that is told to stop ends with, as `breakeven` does: an error that the command line says in a line. */
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { CellRunner } from '../../server/sweeps/cell-runner.ts'
import { stopSignal } from '../../src/cli/stop-signal.ts'

test.each(['SIGINT', 'SIGTERM'] as const)('%s ends restores with an error of ours', async signal => {
  const before = new Map((['SIGINT', 'SIGTERM'] as const).map(name => [name, process.listeners(name)]))
  const stop = stopSignal()
  const runner = new CellRunner({ profile: null, fixedNs: 0, signal: stop, threads: 1 })
  const cell = {
    snapshot: 'synthetic:16MiB',
    layout: '4K',
    workload: 'working-set',
    policy: 'lazy',
    storage: 'nvme',
    seed: 1,
  }
  const work = expect(runner.restore(new Array(100_000).fill(cell))).rejects.toMatchObject({
    name: 'LazyRestoreError',
    code: 'interrupted',
    message: `stopped by ${signal}`,
  })
  process.kill(process.pid, signal)
  await once(stop, 'abort')
  await work
  await runner.close()
  for (const [name, known] of before) {
    for (const listener of process.listeners(name)) if (!known.includes(listener)) process.off(name, listener)
  }
})
