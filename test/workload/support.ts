/** What the workload tests share. */
import { createHash } from 'node:crypto'
import { fc } from '@fast-check/vitest'
import { createBitmap, setBit, setBits } from '../../src/core/bitmap.ts'
import { LazyRestoreError } from '../../src/core/error.ts'
import { createRandom, nextFloat } from '../../src/core/random.ts'
import type { ByteSource } from '../../src/snapshot/byte-source.ts'
import type { WorkloadMemory } from '../../src/workload/memory.ts'
import type { Workload } from '../../src/workload/workload.ts'

/** A fingerprint of all columns. */
export function hashColumns({ starts, page, thinkNs, flags }: Workload): string {
  const hash = createHash('sha256')
  for (const column of [starts, page, thinkNs, flags]) {
    hash.update(new Uint8Array(column.buffer, column.byteOffset, column.byteLength))
  }
  return hash.digest('hex').slice(0, 16)
}

/** A memory whose data lies in extents of about `extentPages`, over `dataShare` of it. */
export function memoryWithData(pageCount: number, dataShare: number, extentPages: number, seed = 1): WorkloadMemory {
  const present = createBitmap(pageCount)
  const random = createRandom(seed)
  for (let page = 0; page < pageCount; ) {
    const count = Math.min(1 + Math.floor(nextFloat(random) * (2 * extentPages - 1)), pageCount - page)
    if (nextFloat(random) < dataShare) setBits(present, page, count)
    page += count
  }
  return { pageCount, pageSize: 4096, present, snapshotIdentity: 'cafe' }
}

/** Any small memory, with any bitmap or none. */
export const anyMemory: fc.Arbitrary<WorkloadMemory> = fc
  .array(fc.boolean(), { minLength: 1, maxLength: 300 })
  .chain(bits =>
    fc.boolean().map(sized => {
      const present = createBitmap(bits.length)
      bits.forEach((bit, page) => {
        if (bit) setBit(present, page)
      })
      return { pageCount: bits.length, pageSize: 4096, present: sized ? null : present, snapshotIdentity: null }
    }),
  )

/** Any valid workload, vCPUs without accesses included. */
export const anyWorkload: fc.Arbitrary<Workload> = fc
  .record({
    name: fc.string({ unit: 'binary', maxLength: 40 }),
    seed: fc.option(fc.maxSafeNat(), { nil: null }),
    snapshotIdentity: fc.option(fc.stringMatching(/^[0-9a-f]{1,64}$/), { nil: null }),
    pageCount: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.constant(2 ** 32)),
    pageSize: fc.constantFrom(4096, 16_384, 65_536),
    perVcpu: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 5 }),
    fill: fc.integer(),
  })
  .map(({ perVcpu, fill, ...head }) => {
    const starts = new Uint32Array(perVcpu.length + 1)
    for (const [vcpu, count] of perVcpu.entries()) starts[vcpu + 1] = starts[vcpu] + count
    const accesses = starts[perVcpu.length]
    const random = createRandom(fill)
    const draw = (max: number) => Math.floor(nextFloat(random) * (max + 1))
    return {
      ...head,
      vcpus: perVcpu.length,
      starts,
      page: Uint32Array.from({ length: accesses }, () => draw(head.pageCount - 1)),
      thinkNs: Uint32Array.from({ length: accesses }, () => draw(2 ** 32 - 1)),
      flags: Uint8Array.from({ length: accesses }, () => draw(3)),
    }
  })

/** Accesses of one vCPU to these of 64 pages, 10 ns apart. */
export function traceOf(...pages: number[]): Workload {
  const page = Uint32Array.from(pages)
  const starts = Uint32Array.of(0, page.length)
  const columns = { starts, page, thinkNs: page.map(() => 10), flags: new Uint8Array(page.length) }
  return { name: 't', seed: null, snapshotIdentity: null, pageCount: 64, pageSize: 4096, vcpus: 1, ...columns }
}

/** Bytes in memory as a source that counts what is asked of it. */
export class MemorySource implements ByteSource {
  readonly name: string
  readonly #bytes: Uint8Array
  longestRead = 0

  constructor(bytes: Uint8Array, name = 'trace') {
    this.#bytes = bytes
    this.name = name
  }

  get byteLength(): number {
    return this.#bytes.length
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    if (offset < 0 || offset + target.length > this.#bytes.length) {
      throw new Error(`test source: read of ${target.length} bytes at ${offset} of ${this.#bytes.length}`)
    }
    this.longestRead = Math.max(this.longestRead, target.length)
    target.set(this.#bytes.subarray(offset, offset + target.length))
  }
}

/** The pieces of an encoder in one buffer; each piece is copied before the next is taken. */
export function collect(pieces: Iterable<Uint8Array>): Buffer {
  const copies: Buffer[] = []
  for (const piece of pieces) copies.push(Buffer.from(piece))
  return Buffer.concat(copies)
}

/** The LazyRestoreError that `action` ends in, as `code: message`; anything else fails the test. */
export async function refusal(action: () => unknown): Promise<string> {
  try {
    await action()
  } catch (error) {
    if (error instanceof LazyRestoreError) return `${error.code}: ${error.message}`
    throw error
  }
  throw new Error('found success, expected a LazyRestoreError')
}

/** Pearson's statistic over its degrees of freedom, in standard deviations above its mean. */
export function chiSquareDeviations(observed: ArrayLike<number>, expected: ArrayLike<number>): number {
  let statistic = 0
  for (let i = 0; i < observed.length; i++) statistic += (observed[i] - expected[i]) ** 2 / expected[i]
  const degrees = observed.length - 1
  return (statistic - degrees) / Math.sqrt(2 * degrees)
}
