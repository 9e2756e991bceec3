/** Working-set files in memory, over snapshots whose pages have bytes of their own and whose clear slots hold garbage. */
import { testBit } from '../../src/core/bitmap.ts'
import { blockOfHostPage, createLayout, type Layout } from '../../src/destination/layout.ts'
import type { ByteSink } from '../../src/snapshot/file-sink.ts'
import { readWorkingSet, type WorkingSetFile } from '../../src/working-set/open.ts'
import { type WorkingSetContent, writeWorkingSet } from '../../src/working-set/write.ts'
import { type BlockOfBits, snapshotOfBits } from '../destination/layout-of-bits.ts'
import { GarbageSource } from '../sim/garbage-source.ts'
import { MemorySource } from '../workload/support.ts'

/** A sink into memory. */
export class MemorySink implements ByteSink {
  bytes = Buffer.alloc(0)

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const missing = offset + bytes.length - this.bytes.length
    if (missing > 0) this.bytes = Buffer.concat([this.bytes, Buffer.alloc(missing)])
    this.bytes.set(bytes, offset)
  }
}

export interface Memory {
  readonly layout: Layout
  readonly source: GarbageSource
}

export function memoryOfBits(...blocks: BlockOfBits[]): Memory {
  const bits = snapshotOfBits(blocks)
  const source = new GarbageSource(bits.blocks)
  const layout = createLayout(
    { ...bits, source },
    {
      forBlock: block => ({
        kind: 'anon',
        hostPageSize: blocks[bits.blocks.indexOf(block)].hostPageSize ?? 4096,
      }),
      checkAllUsed: () => {},
    },
  )
  return { layout, source }
}

/** Whole host pages with data, as memory must have them, in this order; zeros behind a block's end. */
export function expectedContents({ layout, source }: Memory, pages: readonly number[]): Buffer {
  return Buffer.concat(
    pages
      .filter(page => testBit(layout.hasData, page))
      .map(page => {
        const { index, firstHostPage, hostPageSize } = blockOfHostPage(layout, page)
        const start = (page - firstHostPage) * hostPageSize
        const whole = Buffer.alloc(hostPageSize)
        whole.set(source.expected[index].subarray(start, start + hostPageSize))
        return whole
      }),
  )
}

export async function written(
  layout: Layout,
  pages: readonly number[],
  more: Partial<WorkingSetContent> = {},
): Promise<Buffer> {
  const sink = new MemorySink()
  await writeWorkingSet(sink, { layout, pages: Uint32Array.from(pages), recordings: ['a run'], minRuns: 1, ...more })
  return sink.bytes
}

export function opened(bytes: Uint8Array): Promise<WorkingSetFile> {
  return readWorkingSet(new MemorySource(bytes, 'a.lrws'), async () => {})
}

export async function contentsOf(file: WorkingSetFile): Promise<Buffer> {
  const bytes = Buffer.alloc(file.contents.byteLength)
  await file.read(0, bytes)
  return bytes
}
