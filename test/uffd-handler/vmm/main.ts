/**
 * A VMM that is restored as Firecracker is: it makes guest memory, registers it with a userfaultfd, hands that to a page-fault handler over
 * a Unix socket, keeps the socket open, and runs a KVM guest over the memory, whose pages the other process installs. See protocol.ts for
 * what it is told. It ends when its stdin does, however many of its threads sleep in a fault.
 */
import { openSync } from 'node:fs'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { MemoryRegion } from '../../../src/uffd/memory-region.ts'
import { sendWithDescriptors } from '../../../src/uffd/scm-rights.ts'
import { connectTo } from '../../../src/uffd/unix-socket.ts'
import { GuestMemory } from './guest-memory.ts'
import { foldInGuest } from './guest-run.ts'
import { PAGE_BYTES, type PageRun, type VmmCommand, type VmmConfig, type VmmLine, type VmmResults } from './protocol.ts'

const CONNECT_LIMIT_MS = 20_000

const config: VmmConfig = JSON.parse(process.argv[2])
const print = (line: VmmLine): boolean => process.stdout.write(`${JSON.stringify(line)}\n`)
const memory = new GuestMemory(config)
const socket = await shakeHands(config)

// Firecracker takes no notice of this.
socket.on('error', () => {})
socket.on('close', () => print({ event: 'disconnected' }))
socket.resume()

createInterface({ input: process.stdin })
  .on('line', line => {
    const { id, ...command } = JSON.parse(line) as VmmCommand & { readonly id: number }
    carryOut(command as VmmCommand).then(
      result => print({ id, result }),
      (error: Error) => print({ id, error: error.message }),
    )
  })
  .on('close', () => process.kill(process.pid, 'SIGKILL'))

async function shakeHands({ socket: path, handshake = {} }: VmmConfig): Promise<Socket> {
  const { text = memory.handshakeText(handshake), descriptors = 'userfaultfd' } = handshake
  const descriptor = await connectWhenListening(path)
  const file = openSync('/dev/null', 'r')
  const sent = {
    userfaultfd: [memory.userfaultfd.descriptor],
    none: [],
    file: [file],
    'userfaultfd and file': [memory.userfaultfd.descriptor, file],
  }[descriptors]
  // It may be killed for what it sends now.
  print({ event: 'connected' })
  if (text !== '') sendWithDescriptors(descriptor, Buffer.from(text), sent)
  return new Socket({ fd: descriptor, readable: true, writable: true })
}

/** The handler and its VMMs are started together, to save time. */
async function connectWhenListening(path: string): Promise<number> {
  const deadline = Date.now() + CONNECT_LIMIT_MS
  for (;;) {
    try {
      return connectTo(path)
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

async function carryOut(command: VmmCommand): Promise<VmmResults[VmmCommand['do']]> {
  switch (command.do) {
    case 'fold':
      return foldInGuest(memory, command)
    case 'remove':
      return remove(command)
    case 'write':
      return write(command)
    case 'inspect':
      return memory.inspect()
  }
}

async function remove({ pages, pauseMs = 0 }: Extract<VmmCommand, { do: 'remove' }>): Promise<VmmResults['remove']> {
  for (const run of pages) {
    await memory.remove(run)
    if (pauseMs > 0) await new Promise(resolve => setTimeout(resolve, pauseMs))
  }
  return { removed: total(pages) }
}

async function write({ pages, value }: Extract<VmmCommand, { do: 'write' }>): Promise<VmmResults['write']> {
  const source = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE_BYTES, byteLength: PAGE_BYTES })
  source.view(0, PAGE_BYTES).fill(value)
  for (const [first, count] of pages) {
    for (let page = first; page < first + count; page++) await memory.write(page, source.address)
  }
  source.close()
  return { written: total(pages) }
}

function total(pages: readonly PageRun[]): number {
  return pages.reduce((sum, [, count]) => sum + count, 0)
}
