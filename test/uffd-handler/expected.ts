/** What a guest must find in its memory, page by page. */

import { eagerLoad } from '../../src/snapshot/load.ts'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import { foldWords } from '../../src/uffd/kvm/guest-lists.ts'
import { PAGE_BYTES, type PageRun } from './vmm/protocol.ts'

/** The fold of a page of zeros, and of one that is full of a byte. */
export const foldOfByte = (value: number): number =>
  foldWords(new Uint32Array(new Uint8Array(PAGE_BYTES).fill(value).buffer))
export const ZERO_FOLD = foldOfByte(0)

/** Of each page of memory: the blocks one after the other. */
export function foldsOf(memory: readonly Uint8Array[]): Uint32Array {
  return Uint32Array.from(
    memory.flatMap(bytes =>
      Array.from({ length: bytes.length / PAGE_BYTES }, (_, page) =>
        foldWords(new Uint32Array(bytes.buffer, bytes.byteOffset + page * PAGE_BYTES, PAGE_BYTES / 4)),
      ),
    ),
  )
}

/** Of each page of a snapshot as an eager load leaves it. */
export async function foldsOfSnapshot(name: string): Promise<Uint32Array> {
  const snapshot = await openSnapshot(name)
  try {
    return foldsOf(await eagerLoad(snapshot))
  } finally {
    await snapshot.close()
  }
}

/** The same folds with others in some places. */
export function withPages(folds: Uint32Array, pages: readonly PageRun[], fold: number): Uint32Array {
  const changed = folds.slice()
  for (const [first, count] of pages) changed.fill(fold, first, first + count)
  return changed
}

/** Of these pages, those that are not what they should be, a few of them: shorter than two arrays side by side. */
export function wrongPages(
  found: Uint32Array,
  expected: Uint32Array,
  pages: readonly PageRun[] = [[0, expected.length]],
): string[] {
  const wrong: string[] = found.length === expected.length ? [] : [`${found.length} pages for ${expected.length}`]
  for (const [first, count] of pages) {
    for (let page = first; page < first + count && wrong.length < 10; page++) {
      if (found[page] === expected[page]) continue
      const isZero = found[page] === ZERO_FOLD ? ' (zeros)' : ''
      wrong.push(`page ${page}: found ${found[page]}${isZero}, expected ${expected[page]}`)
    }
  }
  return wrong
}
