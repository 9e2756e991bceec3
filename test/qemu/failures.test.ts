/** What goes wrong on the way, and what becomes of the VM: it is told, and a destination that has run can be taken up again. */
import { readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type CliRun, runCli, startCli } from '../cli/run-cli.ts'
import { requireForEach } from '../support/availability.ts'
import { type Destination, fixtureFile, layoutOf, listen, qemuReason, restore, startDestination } from './support.ts'

const PAUSED = /A part of the memory is missing: .*postcopy-paused\. Do not end QEMU: tell it migrate-recover/
const LIMIT_MS = 5000

/** The VM, restored as far as it asks, of a snapshot file that the test may harm. */
async function halfRestored(): Promise<Destination & { readonly path: string; readonly failed: Promise<Error> }> {
  const { path, rom } = fixtureFile('pc-16m')
  const destination = await startDestination(rom)
  const options = { completeAfterMs: 60_000 }
  const restored = restore(await layoutOf(path), destination.address, 'lazy', options)
  const failed = restored.then(
    () => new Error('it was restored'),
    error => error,
  )
  await destination.vm.qmp.event('RESUME')
  return { ...destination, path, failed }
}

/**
 * Takes a paused VM up again, and lets it check its memory.
 * @param pending what it owes an answer
 */
async function expectToRecover({ vm, guest }: Destination, path: string, pending?: string): Promise<void> {
  await vm.awaitMigration('postcopy-paused', LIMIT_MS)
  const address = await listen(vm, 'migrate-recover')
  const { record } = await restore(await layoutOf(path), address, 'lazy-sweep', { resume: true })
  expect(record.resumed).toBe(true)
  if (pending !== undefined) expect(await guest.answer()).toBe(pending)
  expect(await guest.verify()).toBe('V')
}

describe('nobody listens', () => {
  it('on a Unix socket, or it is left from before: no VM was touched', async () => {
    const { path, folder } = fixtureFile('pc-16m')
    writeFileSync(join(folder, 'file'), '')
    for (const [socket, reason] of [
      ['none', 'no such socket'],
      ['file', 'nobody listens there'],
    ]) {
      const place = join(folder, socket)
      const { exitCode, stdout, stderr } = await runCli('qemu', path, '--socket', place)
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
      expect(stderr).toMatch(`lazyrestore: unix:${place}: ${reason}. No VM was touched.`)
    }
  })

  it('on a TCP port', async () => {
    const { path } = fixtureFile('pc-16m')
    const { exitCode, stderr } = await runCli('qemu', path, '--tcp', '127.0.0.1:1')
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/tcp:127\.0\.0\.1:1: nobody listens there\. No VM was touched/)
  })
})

describe('with a QEMU', () => {
  requireForEach(qemuReason)

  it('a destination of another size refuses, has not run, and the message says why', async () => {
    const { path, rom } = fixtureFile('pc-16m')
    const { address } = await startDestination(rom, { mib: 32 })
    const error = await restore(await layoutOf(path), address, 'lazy').catch(reason => reason)
    expect(error.message).toMatch(/its RAM blocks have other names or lengths/)
    expect(error.message).toMatch(/The VM did not run, and the snapshot is as it was/)
  })

  it('a destination that is gone ends the restore', async () => {
    const { vm, failed } = await halfRestored()
    await vm.kill()
    const { message } = await failed
    expect(message).toMatch(/^unix:.*: the connection (ended|broke)/)
    expect(message).toMatch(PAUSED)
    expect(message).toMatch(/If QEMU has ended, restore anew/)
  })

  it('a file that is shortened is not sent from, and the VM recovers with the whole one', async () => {
    const restored = await halfRestored()
    const { path, guest, failed } = restored
    const whole = readFileSync(path)
    const half = whole.length >> 1
    truncateSync(path, half)
    guest.ask('w')
    const { message } = await failed
    expect(message).toMatch(`vm.mig: found ${half} bytes, before ${whole.length}, expected a file that nobody`)
    expect(message).toMatch(PAUSED)
    writeFileSync(path, whole)
    await expectToRecover(restored, path, 'W')
  })

  it('nor is one that somebody writes to', async () => {
    const { path, guest, failed, vm } = await halfRestored()
    utimesSync(path, 1, 1)
    guest.ask('w')
    const { message } = await failed
    // It would not quit: its vCPU waits for a page.
    await vm.kill()
    expect(message).toMatch(
      /vm\.mig: found a change at 1970-01-01T00:00:01\.000Z, expected a file that nobody writes to/,
    )
    expect(message).toMatch(PAUSED)
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('%s ends the command as a signal does, and the VM recovers', async signal => {
    const { path, rom } = fixtureFile('pc-16m')
    const destination = await startDestination(rom)
    if (destination.address.kind !== 'unix') throw new Error('expected a Unix socket')
    const options = ['--socket', destination.address.path, '--policy', 'lazy', '--complete-after', '60s']
    const child = startCli({}, ['qemu', path, ...options])
    const ended = new Promise<CliRun & { signal: NodeJS.Signals | null }>(done => {
      let [stdout, stderr] = ['', '']
      child.stdout.on('data', bytes => {
        stdout += bytes
      })
      child.stderr.on('data', bytes => {
        stderr += bytes
      })
      child.on('close', (exitCode, by) => done({ exitCode, signal: by, stdout, stderr }))
    })
    await destination.vm.qmp.event('RESUME')
    child.kill(signal)
    const { stderr, ...end } = await ended
    expect(end).toEqual({ exitCode: null, signal, stdout: '' })
    expect(stderr).toMatch(`lazyrestore: interrupted by ${signal}. A part of the memory is missing`)
    await expectToRecover(destination, path)
  })
})
