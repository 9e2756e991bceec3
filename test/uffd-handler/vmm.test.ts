/**
 * The test VMM itself, with a handler of a few lines in this process: it does what Firecracker does, and its guest's folds tell right
 * memory from wrong.
 *
 * @module-tag kvm
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { countBits } from '../../src/core/bitmap.ts'
import { MIB } from '../../src/core/units.ts'
import { probe } from '../../src/uffd/availability.ts'
import { UFFD_EVENT_PAGEFAULT, UFFD_EVENT_REMOVE } from '../../src/uffd/constants.ts'
import { hugePageReason } from '../../src/uffd/huge-pages.ts'
import { MemoryRegion } from '../../src/uffd/memory-region.ts'
import { createMessageBuffer } from '../../src/uffd/message-buffer.ts'
import { libc } from '../../src/uffd/native.ts'
import { receiveWithDescriptors } from '../../src/uffd/scm-rights.ts'
import { acceptFrom, listenAt } from '../../src/uffd/unix-socket.ts'
import { Userfaultfd } from '../../src/uffd/userfaultfd.ts'
import { requireForEach, requireOrSkip } from '../support/availability.ts'
import { reserveHugePages } from '../support/huge-pages.ts'
import { foldsOf, withPages, wrongPages, ZERO_FOLD } from './expected.ts'
import { until } from './processes.ts'
import { TestVmm } from './test-vmm.ts'
import type { VmmConfig } from './vmm/protocol.ts'

const PAGE = 4096
const HUGE = 2 * MIB
/** Two regions, as on either side of an MMIO hole. */
const REGIONS = [4 * MIB, 2 * MIB]

reserveHugePages(HUGE, 6)
requireForEach(() => probe().kvm ?? probe().userfaultfd)

interface Mapping {
  readonly base_host_virt_addr: number
  readonly size: number
  readonly offset: number
  readonly page_size: number
  readonly page_size_kib: number
}

/** Answers each fault by one COPY, and one of a page that was removed by zeros. */
class SmallHandler {
  readonly socket: string
  readonly memory = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: 6 * MIB })
  readonly #zeros = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: HUGE })
  readonly #listener: number
  readonly #messages = createMessageBuffer(16)
  readonly #removed: { readonly start: number; readonly end: number }[] = []
  mappings: readonly Mapping[] = []
  /** Reads no message. */
  isSilent = false
  #connection = -1
  #userfaultfd: Userfaultfd | null = null

  constructor() {
    const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-vmm-'))
    this.socket = join(folder, 'uffd.sock')
    this.#listener = listenAt(this.socket)
    const bytes = this.memory.view(0, this.memory.byteLength)
    for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + (i >>> 12)) % 251
    let isOver = false
    const loop = (): void => {
      if (isOver) return
      this.#step()
      setImmediate(loop)
    }
    loop()
    onTestFinished(() => {
      isOver = true
      this.#userfaultfd?.close()
      for (const fd of [this.#listener, this.#connection]) if (fd >= 0) libc().close(fd)
      this.memory.close()
      this.#zeros.close()
      rmSync(folder, { recursive: true })
    })
  }

  /** Threads that sleep in a fault. */
  get sleepers(): number {
    return this.#userfaultfd?.counters.total ?? 0
  }

  #step(): void {
    if (this.#connection < 0) this.#connection = acceptFrom(this.#listener) ?? -1
    else if (this.#userfaultfd === null) this.#receive()
    else if (!this.isSilent) this.#answerAll(this.#userfaultfd)
  }

  #receive(): void {
    const bytes = new Uint8Array(4096)
    const received = receiveWithDescriptors(this.#connection, bytes)
    if (received === null) return
    this.mappings = JSON.parse(Buffer.from(bytes.subarray(0, received.byteLength)).toString())
    this.#userfaultfd = Userfaultfd.fromDescriptor(received.descriptors[0])
  }

  #answerAll(userfaultfd: Userfaultfd): void {
    for (;;) {
      const count = userfaultfd.read(this.#messages)
      if (count === 0) return
      this.#answer(count)
    }
  }

  #answer(count: number): void {
    const { event, address, end } = this.#messages
    for (let i = 0; i < count; i++) {
      if (event[i] === UFFD_EVENT_REMOVE) this.#removed.push({ start: address[i], end: end[i] })
      else if (event[i] === UFFD_EVENT_PAGEFAULT) this.#install(address[i])
    }
  }

  #install(address: number): void {
    const mapping = this.mappings.find(
      ({ base_host_virt_addr: base, size }) => address >= base && address < base + size,
    )!
    const start = Math.floor(address / mapping.page_size) * mapping.page_size
    const isRemoved = this.#removed.some(range => start >= range.start && start < range.end)
    const source = this.memory.address + start - mapping.base_host_virt_addr + mapping.offset
    const deadline = Date.now() + 5000
    const copy = () => this.#userfaultfd!.copy(start, isRemoved ? this.#zeros.address : source, mapping.page_size, 0)
    for (let outcome = copy(); outcome === 'retry' && Date.now() < deadline; outcome = copy());
  }
}

const configOf = (kind: VmmConfig['kind'], { socket }: SmallHandler): VmmConfig => ({
  socket,
  kind,
  hostPageSize: kind === 'anon' ? PAGE : HUGE,
  regions: REGIONS,
})

describe.each(['anon', 'hugetlb'] as const)('a VMM with %s memory', kind => {
  const huge = kind === 'hugetlb' ? REGIONS.reduce((sum, bytes) => sum + bytes, 0) / HUGE : 0
  const reason = () => (huge > 0 ? hugePageReason(HUGE, huge) : null)

  it('sends its regions, and its guest folds what the handler installs', async context => {
    requireOrSkip(context, reason())
    const handler = new SmallHandler()
    const vmm = await TestVmm.start(configOf(kind, handler))
    expect((await vmm.inspect()).installed.every(word => word === 0)).toBe(true)
    const expected = foldsOf([handler.memory.view(0, handler.memory.byteLength)])
    expect(wrongPages(await vmm.fold({ vcpus: 2, seed: 1 }), expected)).toEqual([])
    const pageSize = kind === 'anon' ? PAGE : HUGE
    expect(handler.mappings).toMatchObject([
      { size: REGIONS[0], offset: 0, page_size: pageSize, page_size_kib: pageSize },
      { size: REGIONS[1], offset: REGIONS[0], page_size: pageSize, page_size_kib: pageSize },
    ])
    const { installed, folds } = await vmm.inspect()
    expect(countBits(installed, 0, expected.length)).toBe(expected.length)
    expect(wrongPages(folds, expected)).toEqual([])
  })

  it('has zeros where it gave pages back, and what it wrote since', async context => {
    requireOrSkip(context, reason())
    const handler = new SmallHandler()
    const vmm = await TestVmm.start(configOf(kind, handler))
    const expected = foldsOf([handler.memory.view(0, handler.memory.byteLength)])
    // Over the border of the regions.
    const pages = [[512, 1024]] as const
    await vmm.remove(pages)
    expect(wrongPages(await vmm.fold(), withPages(expected, pages, ZERO_FOLD))).toEqual([])
    await vmm.write([[600, 1]], 0x5a)
    await vmm.remove([[0, 512]])
    const fold = foldsOf([new Uint8Array(PAGE).fill(0x5a)])[0]
    const changed = withPages(withPages(expected, [[0, 1536]], ZERO_FOLD), [[600, 1]], fold)
    expect(wrongPages(await vmm.fold({ seed: 2 }), changed)).toEqual([])
  })
})

it('a page with one wrong byte is found', async () => {
  const handler = new SmallHandler()
  const expected = foldsOf([handler.memory.view(0, handler.memory.byteLength)])
  handler.memory.view(700 * PAGE + 4095, 1)[0] ^= 1
  const vmm = await TestVmm.start(configOf('anon', handler))
  expect(wrongPages(await vmm.fold(), expected)).toEqual([expect.stringMatching(/^page 700: found/)])
})

it('a guest whose handler is silent sleeps, and goes with its process', async () => {
  const handler = new SmallHandler()
  handler.isSilent = true
  const vmm = await TestVmm.start(configOf('anon', handler))
  const ending = expect(vmm.fold({ vcpus: 2 })).rejects.toThrow('VMM: found it ended by SIGKILL')
  await until(() => handler.sleepers === 2, 'sleeping vCPUs')
  vmm.kill()
  await ending
  expect(await vmm.ended).toBe('SIGKILL')
})
