/** Handshakes over a socket pair: in pieces, with descriptors early, late, of other kinds, or none. */
import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { probe } from '../../../src/uffd/availability.ts'
import {
  UFFD_FEATURE_EVENT_FORK,
  UFFD_FEATURE_EVENT_REMOVE,
  UFFD_FEATURE_SIGBUS,
  UFFD_FEATURE_THREAD_ID,
} from '../../../src/uffd/constants.ts'
import { libc } from '../../../src/uffd/native.ts'
import { sendWithDescriptors } from '../../../src/uffd/scm-rights.ts'
import { MAX_MESSAGE_BYTES } from '../../../src/uffd/service/guest-regions.ts'
import { HandshakeReader, readHandshake } from '../../../src/uffd/service/handshake.ts'
import { isMemoryGone, Peer } from '../../../src/uffd/service/peer.ts'
import { Poller } from '../../../src/uffd/service/poller.ts'
import { connectedPair } from '../../../src/uffd/unix-socket.ts'
import { Userfaultfd } from '../../../src/uffd/userfaultfd.ts'
import { requireForEach } from '../../support/availability.ts'

requireForEach(() => probe().userfaultfd)

const PAGE = 4096
const REGIONS = [{ address: 0x7f0000000000, byteLength: PAGE, offset: 0, pageSize: PAGE }]
const MESSAGE = Buffer.from(
  JSON.stringify([{ base_host_virt_addr: 0x7f0000000000, size: PAGE, offset: 0, page_size: PAGE }]),
)

interface Rig {
  readonly vmm: number
  readonly service: number
  readonly userfaultfd: number
  readonly reader: HandshakeReader
  hangUp(): void
}

function createRig(features = UFFD_FEATURE_EVENT_REMOVE): Rig {
  const [vmm, service] = connectedPair()
  const uffd = Userfaultfd.open()
  expect(uffd.api(features)).toBe('done')
  const reader = new HandshakeReader()
  let isOpen = true
  const hangUp = (): void => {
    if (isOpen) libc().close(vmm)
    isOpen = false
  }
  onTestFinished(() => {
    hangUp()
    reader.close()
    uffd.close()
    libc().close(service)
  })
  return { vmm, service, userfaultfd: uffd.descriptor, reader, hangUp }
}

const openDescriptors = () => readdirSync('/proc/self/fd').length

describe('a handshake', () => {
  it('is complete with the last of its parts, however they come', () => {
    const parts = fc.tuple(
      fc.array(fc.nat({ max: MESSAGE.length - 1 }), { maxLength: 6 }),
      fc.nat({ max: 6 }),
      fc.nat({ max: 3 }),
    )
    fc.assert(
      fc.property(parts, ([cuts, withPiece, others]) => {
        const [vmm, service] = connectedPair()
        const uffd = Userfaultfd.open()
        uffd.api(UFFD_FEATURE_EVENT_REMOVE)
        const memfds = Array.from({ length: others }, () => libc().memfd_create('other', 1))
        const before = openDescriptors()
        const reader = new HandshakeReader()
        const edges = [...new Set([0, MESSAGE.length, ...cuts])].sort((a, b) => a - b)
        const pieces = edges.slice(1).map((end, i) => MESSAGE.subarray(edges[i], end))
        const carrier = withPiece % pieces.length
        for (const [i, piece] of pieces.entries()) {
          sendWithDescriptors(vmm, piece, i === carrier ? [...memfds, uffd.descriptor] : [])
          expect(reader.receive(service)).toBe(i === pieces.length - 1)
          expect(reader.hasUserfaultfd).toBe(i >= carrier)
        }
        const handshake = reader.finish()
        expect([handshake.regions, handshake.events]).toEqual([REGIONS, true])
        // The userfaultfd, and nothing else that came.
        expect(openDescriptors()).toBe(before + 1)
        reader.close()
        expect(openDescriptors()).toBe(before)
        uffd.close()
        for (const fd of [vmm, service, ...memfds]) libc().close(fd)
      }),
      { numRuns: 50 },
    )
  })

  it('takes a descriptor that comes behind the message, and the first of two', () => {
    const { vmm, service, userfaultfd, reader } = createRig()
    sendWithDescriptors(vmm, MESSAGE, [])
    expect(reader.receive(service)).toBe(false)
    const before = openDescriptors()
    sendWithDescriptors(vmm, Buffer.from('\n'), [userfaultfd, userfaultfd])
    expect(reader.receive(service)).toBe(true)
    expect(openDescriptors()).toBe(before + 1)
    expect(reader.finish().regions).toEqual(REGIONS)
  })

  it.each([
    [
      'closed before it is whole',
      (rig: Rig) => {
        sendWithDescriptors(rig.vmm, MESSAGE.subarray(0, 9), [rig.userfaultfd])
        rig.hangUp()
      },
      /^handshake: found the connection closed after 9 bytes, no whole array and a userfaultfd, expected/,
    ],
    [
      'closed without a descriptor',
      (rig: Rig) => {
        sendWithDescriptors(rig.vmm, MESSAGE, [])
        rig.hangUp()
      },
      /^handshake: found the connection closed after \d+ bytes and no userfaultfd/,
    ],
    [
      'too long',
      (rig: Rig) => {
        sendWithDescriptors(rig.vmm, Buffer.alloc(MAX_MESSAGE_BYTES, '['), [])
      },
      /^handshake: found no end of it after 65536 bytes, no whole array and no userfaultfd/,
    ],
    [
      'something else',
      (rig: Rig) => {
        sendWithDescriptors(rig.vmm, Buffer.from('GET / HTTP/1.1'), [])
      },
      /^memory regions: byte 0: found 0x47, expected a JSON array/,
    ],
  ])('is refused when it is %s', (_, act, pattern) => {
    const rig = createRig()
    act(rig)
    expect(() => {
      rig.reader.receive(rig.service)
      rig.reader.receive(rig.service)
    }).toThrow(pattern)
  })

  it('is refused with bytes behind its end', () => {
    const { vmm, service, userfaultfd, reader } = createRig()
    sendWithDescriptors(vmm, Buffer.concat([MESSAGE, Buffer.from(' []')]), [userfaultfd])
    expect(reader.receive(service)).toBe(true)
    expect(() => reader.finish()).toThrow(/found 2 bytes behind its end/)
  })

  it.each([
    [0, false],
    [UFFD_FEATURE_THREAD_ID, false],
    [UFFD_FEATURE_EVENT_REMOVE, true],
  ])('knows from features %i whether there will be events', (features, events) => {
    const { vmm, service, userfaultfd, reader } = createRig(features)
    sendWithDescriptors(vmm, MESSAGE, [userfaultfd])
    reader.receive(service)
    expect(reader.finish().events).toBe(events)
  })

  it('is refused with features that cannot be served', () => {
    const { vmm, service, userfaultfd, reader } = createRig(UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_SIGBUS)
    sendWithDescriptors(vmm, MESSAGE, [userfaultfd])
    reader.receive(service)
    expect(() => reader.finish()).toThrow(/with UFFD_FEATURE_EVENT_FORK and UFFD_FEATURE_SIGBUS, expected none/)
  })

  it('is waited for, and not longer than it may take', async () => {
    const poller = new Poller()
    onTestFinished(() => poller.close())
    const { vmm, service, userfaultfd, reader } = createRig()
    const pending = readHandshake(reader, service, poller, 10_000)
    sendWithDescriptors(vmm, MESSAGE.subarray(0, 10), [])
    await new Promise(resolve => setTimeout(resolve, 20))
    sendWithDescriptors(vmm, MESSAGE.subarray(10), [userfaultfd])
    expect((await pending).regions).toEqual(REGIONS)
    const silent = createRig()
    await expect(readHandshake(silent.reader, silent.service, poller, 50)).rejects.toThrow(/no more within 0.05 s/)
  })
})

describe('the peer', () => {
  it('is this process, whose memory is there', () => {
    const { service, userfaultfd } = createRig()
    const peer = new Peer(service)
    expect(peer.pid).toBe(process.pid)
    expect(peer.pidfd).toBeGreaterThan(2)
    peer.close()
    expect(peer.pidfd).toBe(-1)
    expect(peer.kill()).toMatch(/found no process/)
    expect(isMemoryGone(Userfaultfd.fromDescriptor(userfaultfd), REGIONS)).toBe(false)
  })
})

describe('the poller', () => {
  it('calls back for what is ready, and not for a watch that was closed', async () => {
    const poller = new Poller()
    const pairs = [connectedPair(), connectedPair()]
    const calls: number[] = []
    const watches = pairs.map(([fd], i) =>
      poller.watch(fd, 1, () => {
        calls.push(i)
        watches[i].close()
      }),
    )
    watches[0].close()
    for (const [, other] of pairs) sendWithDescriptors(other, Buffer.from('x'), [])
    const limit = Date.now() + 5000
    while (calls.length === 0 && Date.now() < limit) await new Promise(resolve => setTimeout(resolve, 5))
    await new Promise(resolve => setTimeout(resolve, 20))
    expect(calls).toEqual([1])
    await poller.close()
    for (const fd of pairs.flat()) libc().close(fd)
  })
})
