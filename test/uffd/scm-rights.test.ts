/** Descriptors over Unix sockets, within this process. */
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { libc, nativeReason } from '../../src/uffd/native.ts'
import { MAX_DESCRIPTORS, receiveWithDescriptors, sendWithDescriptors } from '../../src/uffd/scm-rights.ts'
import {
  acceptFrom,
  connectedPair,
  connectTo,
  listenAt,
  POLLHUP,
  POLLIN,
  POLLRDHUP,
  peerPid,
  pollAll,
} from '../../src/uffd/unix-socket.ts'
import { requireForEach } from '../support/availability.ts'

requireForEach(nativeReason)

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lazyrestore-scm-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function pair(): readonly [number, number] {
  const both = connectedPair()
  onTestFinished(() => {
    for (const fd of both) libc().close(fd)
  })
  return both
}

function openFile(text: string): number {
  const path = join(folder, 'file')
  writeFileSync(path, text)
  return libc().open(path, 0)
}

function isOpen(fd: number): boolean {
  try {
    readlinkSync(`/proc/self/fd/${fd}`)
    return true
  } catch {
    return false
  }
}

describe('scm rights', () => {
  it('carries bytes and descriptors, which are the same files, close-on-exec', () => {
    const [from, to] = pair()
    const file = openFile('the bytes of the file')
    sendWithDescriptors(from, Buffer.from('hello'), [file, file])
    libc().close(file)
    const into = new Uint8Array(64)
    const received = receiveWithDescriptors(to, into)!
    expect(Buffer.from(into.subarray(0, received.byteLength)).toString()).toBe('hello')
    expect(received.descriptors).toHaveLength(2)
    for (const fd of received.descriptors) {
      expect(readFileSync(`/proc/self/fd/${fd}`, 'utf8')).toBe('the bytes of the file')
      expect(libc().fcntl(fd, 1, 0)).toBe(1) // F_GETFD: FD_CLOEXEC
      libc().close(fd)
    }
  })

  it('carries bytes without descriptors, knows nothing there from closed', () => {
    const [from, to] = connectedPair()
    onTestFinished(() => void libc().close(to))
    const into = new Uint8Array(64)
    expect(receiveWithDescriptors(to, into)).toBeNull()
    sendWithDescriptors(from, Buffer.from('x'), [])
    expect(receiveWithDescriptors(to, into)).toEqual({ byteLength: 1, descriptors: [] })
    libc().close(from)
    expect(receiveWithDescriptors(to, into)).toEqual({ byteLength: 0, descriptors: [] })
    expect(() => sendWithDescriptors(to, Buffer.from('x'), [])).toThrow(/sendmsg: found EPIPE/)
  })

  it('gives descriptors with the first bytes that they came with, however few are asked for', () => {
    const [from, to] = pair()
    const file = openFile('')
    sendWithDescriptors(from, Buffer.from('abcdef'), [file])
    libc().close(file)
    const into = new Uint8Array(2)
    const first = receiveWithDescriptors(to, into)!
    expect(first).toMatchObject({ byteLength: 2 })
    expect(first.descriptors).toHaveLength(1)
    expect(receiveWithDescriptors(to, into)).toEqual({ byteLength: 2, descriptors: [] })
    libc().close(first.descriptors[0])
  })

  it('carries as many descriptors as the kernel lets, and refuses more', () => {
    const [from, to] = pair()
    const file = openFile('')
    sendWithDescriptors(from, Buffer.from('x'), new Array(MAX_DESCRIPTORS).fill(file))
    const { descriptors } = receiveWithDescriptors(to, new Uint8Array(1))!
    expect(descriptors).toHaveLength(MAX_DESCRIPTORS)
    expect(descriptors.every(isOpen)).toBe(true)
    for (const fd of [file, ...descriptors]) libc().close(fd)
    expect(() => sendWithDescriptors(from, Buffer.from('x'), new Array(MAX_DESCRIPTORS + 1).fill(0))).toThrow(
      /found 1 bytes and 254 descriptors/,
    )
    expect(() => sendWithDescriptors(from, new Uint8Array(), [])).toThrow(/found 0 bytes/)
  })
})

describe('unix sockets', () => {
  it('listen, connect, accept, and know the peer', () => {
    const path = join(folder, 'listen.sock')
    const listener = listenAt(path)
    expect(acceptFrom(listener)).toBeNull()
    const client = connectTo(path)
    expect(pollAll([listener], POLLIN, 5000)).toEqual([POLLIN])
    const server = acceptFrom(listener)!
    expect(peerPid(server)).toBe(process.pid)
    expect(pollAll([server], POLLIN | POLLRDHUP, 0)).toEqual([0])
    libc().close(client)
    expect(pollAll([server], POLLRDHUP, 5000)[0] & (POLLHUP | POLLRDHUP)).toBe(POLLHUP | POLLRDHUP)
    for (const fd of [server, listener]) libc().close(fd)
  })

  it('takes the place of a listener that is gone, not of one that is there nor of another file', () => {
    const path = join(folder, 'again.sock')
    libc().close(listenAt(path))
    const second = listenAt(path)
    expect(() => listenAt(path)).toThrow(`${path}: cannot listen: found EADDRINUSE`)
    libc().close(second)
    const file = join(folder, 'plain')
    writeFileSync(file, 'kept')
    expect(() => listenAt(file)).toThrow(/EADDRINUSE/)
    expect(readFileSync(file, 'utf8')).toBe('kept')
  })

  it('refuse a path that is too long', () => {
    expect(() => listenAt(`/${'x'.repeat(107)}`)).toThrow(/found 108 bytes, expected 1 to 107 bytes/)
  })
})
