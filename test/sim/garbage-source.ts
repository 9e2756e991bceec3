/**
 * A snapshot's bytes for tests of what a restore reads: every page with data has bytes of its own, every slot of a clear
 * bit holds garbage, as files that were written over do, and the source counts what is read of each.
 */
import { type ByteSource, memorySource } from '../../src/snapshot/byte-source.ts'
import type { RamBlock } from '../../src/snapshot/snapshot.ts'

const GARBAGE = 0xee

export class GarbageSource implements ByteSource {
  readonly name = 'snapshot with garbage'
  readonly byteLength: number
  /** Each block's memory as it must be restored. */
  readonly expected: readonly Uint8Array[]
  readonly garbagePages: number
  bytesRead = 0
  /** Pages of clear bits of which at least one byte was asked for. */
  clearPagesRead = 0
  readonly #blocks: readonly RamBlock[]
  readonly #file: ByteSource

  constructor(blocks: readonly RamBlock[]) {
    this.#blocks = blocks
    this.byteLength = Math.max(...blocks.map(({ pagesOffset, usedLength }) => pagesOffset + usedLength))
    this.garbagePages = blocks.reduce((sum, { pageCount, setBits }) => sum + pageCount - setBits, 0)
    const file = Buffer.alloc(this.byteLength, GARBAGE)
    this.expected = blocks.map(({ pagesOffset, usedLength, pageSize, pageCount, bitmap }, block) => {
      const memory = Buffer.alloc(usedLength)
      for (let page = 0; page < pageCount; page++) {
        if (!isSet(bitmap, page)) continue
        writePage(memory.subarray(page * pageSize, (page + 1) * pageSize), block, page)
        memory.copy(file, pagesOffset + page * pageSize, page * pageSize, (page + 1) * pageSize)
      }
      return memory
    })
    this.#file = memorySource(file, this.name)
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    this.bytesRead += target.length
    const block = this.#blocks.findLast(({ pagesOffset }) => pagesOffset <= offset)!
    const start = offset - block.pagesOffset
    const end = start + target.length
    if (end > block.usedLength) {
      throw new Error(`test source: a read of [${start}, ${end}) leaves ${block.name}, of ${block.usedLength} bytes`)
    }
    for (let page = Math.floor(start / block.pageSize); page * block.pageSize < end; page++) {
      if (!isSet(block.bitmap, page)) this.clearPagesRead++
    }
    await this.#file.read(offset, target)
  }
}

/** No two pages with data are alike, but every seventh is zero: a set bit promises nothing about the bytes. */
function writePage(bytes: Buffer, block: number, page: number): void {
  if (page % 7 === 6) return
  bytes.fill(1 + ((block * 83 + page) % 200))
  bytes.writeUInt32LE(page, 0)
  bytes.writeUInt32LE(block, bytes.length - 4)
}

function isSet(bitmap: Uint32Array, page: number): boolean {
  return (bitmap[page >>> 5] & (1 << (page & 31))) !== 0
}
