/**
 * What VMMs send that cannot be served: each is refused in one line, and a guest that is being restored meanwhile sees nothing of it.
 *
 * @module-tag kvm
 */
import { expect, it } from 'vitest'
import { requireForEach } from '../support/availability.ts'
import { wrongPages } from './expected.ts'
import { TestHandler } from './handler-process.ts'
import { awaitAtMost, pause, until } from './processes.ts'
import { snapshotOf } from './snapshots.ts'
import { missing, startVmm } from './support.ts'
import type { HandshakeConfig } from './vmm/protocol.ts'

requireForEach(missing)

interface Refused {
  readonly handshake: HandshakeConfig
  /** It sent a userfaultfd, so its guest waits. */
  readonly killed: boolean
  readonly reason: RegExp
}

const REFUSED: Readonly<Record<string, Refused>> = {
  silence: { handshake: { text: '' }, killed: false, reason: /found no more within 0\.5 s after 0 bytes/ },
  'half of it': {
    handshake: { text: '[{"size": 4096,' },
    killed: true,
    reason: /found no more within 0\.5 s after 15 bytes/,
  },
  'no userfaultfd': { handshake: { descriptors: 'none' }, killed: false, reason: /and no userfaultfd/ },
  'another file': {
    handshake: { descriptors: 'file' },
    killed: false,
    reason: /1 other descriptors and no userfaultfd/,
  },
  'no JSON': { handshake: { text: '[nonsense]' }, killed: true, reason: /found no JSON/ },
  'memory behind the file': { handshake: { offsetShift: 2 ** 26 }, killed: true, reason: /offset/ },
  'memory amid a page': {
    handshake: { offsetShift: 512 },
    killed: true,
    reason: /offset: found 512, expected a multiple/,
  },
}

it('a VMM that cannot be served is refused in one line, while a guest goes on', async () => {
  const snapshot = await snapshotOf('firecracker')
  const handler = new TestHandler(snapshot.name, '--policy', 'lazy', '--handshake-limit', '500ms')
  const guest = await startVmm(handler, snapshot)
  const fold = guest.fold({ vcpus: 2, seed: 1 })
  await Promise.all(
    Object.entries(REFUSED).map(async ([what, { handshake, killed, reason }]) => {
      const vmm = await startVmm(handler, snapshot, 'anon', handshake)
      await awaitAtMost(Promise.race([vmm.ended, vmm.disconnected]), `end of the connection: ${what}`)
      const isRefused = () => handler.eventsOf('refused').find(({ pid }) => pid === vmm.pid)
      await until(() => isRefused() !== undefined, `refusal: ${what}`)
      expect(isRefused()).toMatchObject({ killed, reason: expect.stringMatching(reason) })
      if (killed) expect(await awaitAtMost(vmm.ended, 'end of the VMM')).toBe('SIGKILL')
      else await expect(Promise.race([vmm.ended, pause(100)])).resolves.toBeUndefined()
    }),
  )
  expect(handler.stderr).toHaveLength(Object.keys(REFUSED).length)
  expect(wrongPages(await fold, snapshot.folds)).toEqual([])
})

it('a VMM whose addresses are not its memory is killed with the reason', async () => {
  const snapshot = await snapshotOf('raw')
  const handler = new TestHandler(snapshot.name, '--policy', 'lazy-sweep')
  const size = snapshot.regions[0]
  const text = JSON.stringify([{ base_host_virt_addr: 2 ** 40, size, offset: 0, page_size: 4096 }])
  const vmm = await startVmm(handler, snapshot, 'anon', { text })
  expect(await awaitAtMost(vmm.ended, 'end of the VMM')).toBe('SIGKILL')
  expect((await handler.event('vm')).reason).toMatch(/found ENOENT/)
  expect(handler.stderr).toEqual([
    expect.stringMatching(/^lazyrestore: VM 1 \(process \d+\): .*ENOENT.*; the VMM is killed$/),
  ])
})

it('a userfaultfd with other descriptors beside it is served', async () => {
  const snapshot = await snapshotOf('raw')
  const handler = new TestHandler(snapshot.name)
  const vmm = await startVmm(handler, snapshot, 'anon', { descriptors: 'userfaultfd and file' })
  expect(wrongPages(await vmm.fold({ pages: [[0, 512]] }), snapshot.folds, [[0, 512]])).toEqual([])
})
