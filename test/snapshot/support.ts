/**
 * What the snapshot tests share: real fixtures, small hand-made files, and sources that watch what is read.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { createBitmap, setBit, testBit } from '../../src/core/bitmap.ts'
import { type ErrorCode, LazyRestoreError } from '../../src/core/error.ts'
import { type ByteSource, memorySource } from '../../src/snapshot/byte-source.ts'
import type { ByteSink } from '../../src/snapshot/file-sink.ts'
import { readSnapshot } from '../../src/snapshot/qemu-snapshot.ts'
import type { RamBlock } from '../../src/snapshot/snapshot.ts'
import { type SnapshotContent, writeStream } from '../../src/snapshot/snapshot-writer.ts'

const FIXTURES = join(import.meta.dirname, '../fixtures/snapshots')

/** The bytes of a snapshot that QEMU wrote. */
export async function fixtureBytes(name: string): Promise<Buffer> {
  return gunzipSync(await readFile(join(FIXTURES, `${name}.mig.gz`)))
}

export interface Golden {
  readonly machine: string
  readonly ram_blocks: readonly {
    readonly name: string
    readonly used_length: number
    readonly page_size: number
    readonly bitmap_offset: number
    readonly pages_offset: number
    readonly set_bits: number
    readonly zero_pages_after_load: number
    readonly sha256_after_load: string
  }[]
}

export async function fixtureGolden(name: string): Promise<Golden> {
  return JSON.parse(await readFile(join(FIXTURES, `${name}.json`), 'utf8'))
}

export function bitmapOf(pageCount: number, setPages: Iterable<number>) {
  const bitmap = createBitmap(pageCount)
  for (const page of setPages) setBit(bitmap, page)
  return bitmap
}

/** Byte `i` of page `p` of block `b`; never zero, so that a page from the file is never mistaken for a zero page. */
export function byteOf(block: number, page: number, i: number): number {
  return 1 + ((block * 83 + page * 31 + i) % 251)
}

export function fillPages(pageSize: number): SnapshotContent['fillPages'] {
  return (block, firstPage, target) => {
    for (let i = 0; i < target.length; i++) {
      target[i] = byteOf(block, firstPage + Math.floor(i / pageSize), i % pageSize)
    }
  }
}

/** What is written to a sink, as a file in memory; its holes are zeros. */
export async function written(fill: (sink: ByteSink) => Promise<void>): Promise<Buffer> {
  const writes: { offset: number; bytes: Uint8Array }[] = []
  await fill({ write: async (offset, bytes) => void writes.push({ offset, bytes: bytes.slice() }) })
  const file = Buffer.alloc(Math.max(...writes.map(({ offset, bytes }) => offset + bytes.length)))
  for (const { offset, bytes } of writes) file.set(bytes, offset)
  return file
}

/** Encodes a snapshot into memory. */
export function encode(content: SnapshotContent): Promise<Buffer> {
  return written(sink => writeStream(sink, content))
}

/** Two blocks of 4 KiB pages, `ram` with 5 pages of which 1, 2 and 4 are stored, and `rom` with page 0 of 2. */
export function smallContent(change: Partial<SnapshotContent> = {}): SnapshotContent {
  return {
    format: 'mapped-ram',
    machine: 'pc',
    blocks: [
      { name: 'ram', pageSize: 4096, pageCount: 5, bitmap: bitmapOf(5, [1, 2, 4]) },
      { name: 'rom', pageSize: 4096, pageCount: 2, bitmap: bitmapOf(2, [0]) },
    ],
    fillPages: fillPages(4096),
    ...change,
  }
}

/** Offsets of the fields of `encode(smallContent())`, by counting the fields that are documented in docs/formats.md. */
export const SMALL = {
  version: 4,
  configuration: 8,
  machineLength: 9,
  machine: 13,
  subsection: 15,
  subsectionName: 17,
  subsectionVersion: 43,
  capabilityCount: 47,
  capability: 52,
  sectionStart: 62,
  sectionId: 63,
  sectionName: 68,
  sectionInstance: 71,
  sectionVersion: 75,
  total: 79,
  ramRecord: 87,
  ramName: 88,
  ramLength: 91,
  ramHeaderVersion: 99,
  ramPageSize: 103,
  ramBitmapOffset: 111,
  ramPagesOffset: 119,
  ramBitmap: 127,
  ramPages: 0x100000,
  romRecord: 0x105000,
  romName: 0x105001,
  romLength: 0x105004,
  romHeaderVersion: 0x10500c,
  romPageSize: 0x105010,
  romBitmapOffset: 0x105018,
  romPagesOffset: 0x105020,
  romBitmap: 0x105028,
  romPages: 0x200000,
  eos: 0x202000,
  footer: 0x202008,
  sectionEnd: 0x20200d,
  endId: 0x20200e,
  endEos: 0x202012,
  endFooter: 0x20201a,
  eof: 0x20201f,
} as const

export function read(bytes: Uint8Array, options = {}) {
  return readSnapshot(memorySource(bytes, 'FILE'), options)
}

/** Expects a LazyRestoreError with this code whose whole message is, or matches, `message`. */
export async function expectRefusal(doing: Promise<unknown>, code: ErrorCode, message: string | RegExp): Promise<void> {
  const error = await doing.then(
    () => null,
    reason => reason,
  )
  expect(error).toBeInstanceOf(LazyRestoreError)
  if (typeof message === 'string') expect(error.message).toBe(message)
  else expect(error.message).toMatch(message)
  expect(error.code).toBe(code)
}

/** A source that keeps a list of what was read from it. */
export function watchedSource(source: ByteSource) {
  const reads: { offset: number; length: number }[] = []
  return {
    name: source.name,
    byteLength: source.byteLength,
    reads,
    bytesRead: () => reads.reduce((sum, { length }) => sum + length, 0),
    read(offset: number, target: Uint8Array) {
      reads.push({ offset, length: target.length })
      return source.read(offset, target)
    },
  }
}

/** The first read that touches the slot of a clear bit, described; null when there is none. */
export function clearSlotRead(reads: readonly { offset: number; length: number }[], blocks: readonly RamBlock[]) {
  for (const { offset, length } of reads) {
    for (const { name, bitmap, pageCount, pageSize, pagesOffset, ignored } of blocks) {
      if (ignored || offset + length <= pagesOffset || offset >= pagesOffset + pageCount * pageSize) continue
      const first = Math.max(0, Math.floor((offset - pagesOffset) / pageSize))
      const end = Math.min(pageCount, Math.ceil((offset + length - pagesOffset) / pageSize))
      for (let page = first; page < end; page++) {
        if (!testBit(bitmap, page)) return `read of ${length} bytes at ${offset} touches clear page ${page} of ${name}`
      }
    }
  }
  return null
}
