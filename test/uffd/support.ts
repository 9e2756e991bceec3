/**
 * A userfaultfd with memory, for one test on the real kernel. The test's thread resolves, so it never touches a page that is
 * missing: that is done on other threads, whose end is awaited for a bounded time, after close has woken them.
 */
import { expect, onTestFinished } from 'vitest'
import { MIB } from '../../src/core/units.ts'
import type { BlockMemory } from '../../src/destination/host-pages.ts'
import { UFFDIO_REGISTER_MODE_MISSING } from '../../src/uffd/constants.ts'
import { MemoryRegion } from '../../src/uffd/memory-region.ts'
import { createMessageBuffer } from '../../src/uffd/message-buffer.ts'
import { callInBackground } from '../../src/uffd/native.ts'
import { Userfaultfd } from '../../src/uffd/userfaultfd.ts'

export const PAGE = 4096
/** Longest wait for anything that happens at once; on an emulated host, within seconds. */
export const LIMIT_MS = 20_000

const MOST_SOURCE_BYTES = 64 * MIB

export interface Rig {
  readonly uffd: Userfaultfd
  readonly region: MemoryRegion
  /** Anonymous, never registered, every page full of its number + 1. */
  readonly source: MemoryRegion
  /** Where the touchers put what they read. */
  readonly sink: MemoryRegion
  /** Address of a host page of the region. */
  page(index: number): number
  /** Loads a byte of a page on another thread. Resolves to the byte. */
  touch(index: number, offset?: number): Promise<number>
  /** Stores a byte there on another thread. */
  store(index: number, value: number): Promise<void>
  /** Anything else on another thread that `close` ends. */
  watch<T>(work: Promise<T>): Promise<T>
}

export interface RigOptions extends Partial<BlockMemory> {
  readonly shared?: boolean
  readonly pages?: number
  readonly features?: number
  /** Null: leave it unregistered. */
  readonly mode?: number | null
}

export const messages = createMessageBuffer(64)

export function createRig(options: RigOptions = {}): Rig {
  const { kind = 'anon', hostPageSize = PAGE, shared, pages = 8, features = 0 } = options
  const { mode = UFFDIO_REGISTER_MODE_MISSING } = options
  const size = { kind, hostPageSize, byteLength: pages * hostPageSize }
  const region = new MemoryRegion(shared === undefined ? size : { ...size, shared })
  const sourceBytes = Math.min(size.byteLength, MOST_SOURCE_BYTES)
  const source = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: sourceBytes })
  const sink = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: PAGE })
  const uffd = Userfaultfd.open()
  const works: Promise<unknown>[] = []
  onTestFinished(async () => {
    uffd.close()
    await settled(Promise.allSettled(works), 'threads that touch')
    for (const memory of [region, source, sink]) memory.close()
  })

  for (let i = 0; (i + 1) * hostPageSize <= sourceBytes; i++) source.view(i * hostPageSize, hostPageSize).fill(i + 1)
  expect(uffd.api(features)).toBe('done')
  if (mode !== null) expect(uffd.register(region.address, region.byteLength, mode)).toBe('done')

  let used = 8 // the sink's first bytes are what `store` stores
  const watch = <T>(work: Promise<T>): Promise<T> => {
    works.push(work)
    return work
  }
  const page = (index: number) => region.address + index * hostPageSize
  return {
    uffd,
    region,
    source,
    sink,
    page,
    watch,
    async touch(index, offset = 0) {
      const slot = used++
      await watch(callInBackground('memcpy', sink.address + slot, page(index) + offset, 1))
      return sink.view(slot, 1)[0]
    },
    async store(index, value) {
      const slot = used++
      sink.view(slot, 1)[0] = value
      await watch(callInBackground('memcpy', page(index), sink.address + slot, 1))
    },
  }
}

/** Waits, without blocking the event loop, until as many threads sleep in a fault. */
export async function sleepers(uffd: Userfaultfd, total: number): Promise<void> {
  const deadline = Date.now() + LIMIT_MS
  while (uffd.counters.total !== total) {
    if (Date.now() > deadline) throw new Error(`found ${uffd.counters.total} sleepers, expected ${total}`)
    await new Promise(resolve => setTimeout(resolve, 1))
  }
}

/** The messages of one read, as objects. */
export function readMessages(uffd: Userfaultfd): { event: number; flags: number; address: number; end: number }[] {
  const count = uffd.read(messages)
  return Array.from({ length: count }, (_, i) => ({
    event: messages.event[i],
    flags: messages.flags[i],
    address: messages.address[i],
    end: messages.end[i],
  }))
}

export async function settled<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: found no end within ${LIMIT_MS} ms`)), LIMIT_MS)
  })
  return Promise.race([work, timeout]).finally(() => clearTimeout(timer))
}
