/** Files for the tests of formats: sparse ones, written page by page, and the content that a page of a given seed has. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll } from 'vitest'
import { nextSetBit } from '../../../src/core/bitmap.ts'
import { eagerLoad } from '../../../src/snapshot/load.ts'
import type { RamBlock, Snapshot } from '../../../src/snapshot/snapshot.ts'

export const PAGE = 4096

/** A folder that goes after the tests of the file; returns paths in it. */
export function temporaryFolder(name: string): (...parts: string[]) => string {
  const folder = mkdtempSync(join(tmpdir(), `lazyrestore-${name}-`))
  afterAll(() => rmSync(folder, { recursive: true }))
  return (...parts) => {
    const path = join(folder, ...parts)
    mkdirSync(dirname(path), { recursive: true })
    return path
  }
}

/** A page that no other seed has; seed 0 is a page of zeros. */
export function pageOf(seed: number): Uint8Array {
  if (seed === 0) return new Uint8Array(PAGE)
  return Uint8Array.from({ length: PAGE }, (_, i) => 1 + ((seed * 37 + i) % 251))
}

/** Writes a sparse file: what is not among `pieces` is a hole. */
export async function sparseFile(
  path: string,
  length: number,
  pieces: readonly (readonly [offset: number, bytes: Uint8Array])[],
): Promise<string> {
  const file = await open(path, 'w')
  try {
    await file.truncate(length)
    for (const [offset, bytes] of pieces) await file.write(bytes, 0, bytes.length, offset)
  } finally {
    await file.close()
  }
  return path
}

/** Page numbers with data. */
export function dataPages({ bitmap, pageCount }: RamBlock): number[] {
  const pages: number[] = []
  for (let page = nextSetBit(bitmap, 0, pageCount); page < pageCount; page = nextSetBit(bitmap, page + 1, pageCount)) {
    pages.push(page)
  }
  return pages
}

/** First byte of each page, for each block: 0 for a zero page. */
export async function firstBytes(snapshot: Snapshot): Promise<number[][]> {
  const memory = await eagerLoad(snapshot)
  return memory.map((bytes, b) => {
    const { pageSize, pageCount } = snapshot.blocks[b]
    return Array.from({ length: pageCount }, (_, page) => bytes[page * pageSize])
  })
}
