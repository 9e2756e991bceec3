/**
 * The least of a VMM, as a process: memory registered with a userfaultfd that it hands over as Firecracker does, and lines on
 * stdin that tell it what to touch; a JSON line on stdout answers each. What it touches is touched on another thread.
 *
 *     tiny-vmm.ts SOCKET MESSAGE-OPTIONS
 *     read OFFSET LENGTH     → {"sha256": …, "zero": whether all of it is zero}
 *     write OFFSET BYTE      → {"done": true}
 *     remove OFFSET LENGTH   → {"done": true}, when MADV_DONTNEED has returned
 */
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { UFFD_FEATURE_EVENT_REMOVE, UFFDIO_REGISTER_MODE_MISSING } from '../../../src/uffd/constants.ts'
import { MemoryRegion } from '../../../src/uffd/memory-region.ts'
import { callInBackground, libc } from '../../../src/uffd/native.ts'
import { sendWithDescriptors } from '../../../src/uffd/scm-rights.ts'
import { connectTo } from '../../../src/uffd/unix-socket.ts'
import { Userfaultfd } from '../../../src/uffd/userfaultfd.ts'

export interface TinyVmmOptions {
  /** Bytes of each region; they follow each other in the memory file. */
  readonly regions: readonly number[]
  readonly pageSize: number
  /** Sent instead of the regions' own message. */
  readonly message?: string
  /** No userfaultfd is sent. */
  readonly withoutUffd?: true
  /** Another descriptor is sent before the userfaultfd, as E2B's VMM does. */
  readonly withMemfd?: true
  /** Bytes that go before the rest, and before the userfaultfd. */
  readonly firstBytes?: number
  readonly features?: number
  /** The socket is closed right after the handshake, as old versions of Firecracker do. */
  readonly hangsUp?: true
}

const MADV_DONTNEED = 4
const MADV_REMOVE = 9
const PIECE = 1024 * 1024

async function main(socketPath: string, options: TinyVmmOptions): Promise<void> {
  const { pageSize, features = UFFD_FEATURE_EVENT_REMOVE, firstBytes = 0 } = options
  const kind = pageSize > 4096 ? 'hugetlb' : 'anon'
  const regions = options.regions.map(byteLength => new MemoryRegion({ kind, hostPageSize: pageSize, byteLength }))
  const uffd = Userfaultfd.open()
  expectDone(uffd.api(features))
  for (const { address, byteLength } of regions)
    expectDone(uffd.register(address, byteLength, UFFDIO_REGISTER_MODE_MISSING))
  const starts = options.regions.map((_, i) => options.regions.slice(0, i).reduce((sum, length) => sum + length, 0))
  const message = regions.map(({ address, byteLength }, i) => ({
    base_host_virt_addr: address,
    size: byteLength,
    offset: starts[i],
    page_size: pageSize,
    page_size_kib: pageSize,
  }))
  const bytes = Buffer.from(options.message ?? JSON.stringify(message))
  const socket = connectTo(socketPath)
  // It may be killed for what it sends now.
  say({ pid: process.pid })
  if (firstBytes > 0) {
    sendWithDescriptors(socket, bytes.subarray(0, firstBytes), [])
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  const memfd = options.withMemfd ? [libc().memfd_create('guest', 1)] : []
  sendWithDescriptors(socket, bytes.subarray(firstBytes), options.withoutUffd ? [] : [...memfd, uffd.descriptor])
  if (options.hangsUp) libc().close(socket)

  const sink = new MemoryRegion({ kind: 'anon', hostPageSize: 4096, byteLength: PIECE })
  const place = (offset: number) => {
    const at = starts.findLastIndex(start => start <= offset)
    return { address: regions[at].address + offset - starts[at], left: starts[at] + regions[at].byteLength - offset }
  }
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, first, second] = line.split(' ')
    const offset = Number(first)
    switch (command) {
      case 'read': {
        const hash = createHash('sha256')
        let zero = true
        for (let done = 0; done < Number(second); ) {
          const { address, left } = place(offset + done)
          const length = Math.min(PIECE, Number(second) - done, left)
          await callInBackground('memcpy', sink.address, address, length)
          const piece = sink.view(0, length)
          hash.update(piece)
          zero &&= piece.every(byte => byte === 0)
          done += length
        }
        say({ sha256: hash.digest('hex'), zero })
        break
      }
      case 'write':
        sink.view(0, 1)[0] = Number(second)
        await callInBackground('memcpy', place(offset).address, sink.address, 1)
        say({ done: true })
        break
      case 'remove': {
        const advice = kind === 'hugetlb' ? MADV_REMOVE : MADV_DONTNEED
        const result = await callInBackground('madvise', place(offset).address, Number(second), advice)
        say({ done: result === 0 })
        break
      }
      default:
        throw new Error(`found command ${command}`)
    }
  }
  process.exit(0)
}

function say(answer: object): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}

function expectDone(outcome: string): void {
  if (outcome !== 'done') throw new Error(`found ${outcome}, expected done`)
}

await main(process.argv[2], JSON.parse(process.argv[3]))
