/** Views that a thread keeps: the same for memory that lies where it did, what is there now in any case. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { keepViews } from '../../../src/uffd/engine/kept-views.ts'
import { MemoryRegion } from '../../../src/uffd/memory-region.ts'
import { nativeReason } from '../../../src/uffd/native.ts'
import { requireForEach } from '../../support/availability.ts'
import { PAGE } from '../support.ts'

function createRegion(pages: number): MemoryRegion {
  const region = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: pages * PAGE })
  onTestFinished(() => region.close())
  return region
}

describe('views of memory', () => {
  requireForEach(nativeReason)

  it('are the same ones for the same ranges, in any order, and new ones for others', () => {
    const { address } = createRegion(4)
    const [low, high] = [
      { address, byteLength: PAGE },
      { address: address + 2 * PAGE, byteLength: 2 * PAGE },
    ]
    const [lowView, highView] = keepViews([low, high])
    expect([lowView.length, highView.length]).toEqual([PAGE, 2 * PAGE])
    const [again, longer, sameLow] = keepViews([high, { ...low, byteLength: 2 * PAGE }, low])
    expect(again).toBe(highView)
    expect(sameLow).toBe(lowView)
    expect(longer).not.toBe(lowView)
    expect(longer.length).toBe(2 * PAGE)
    keepViews([high])
    expect(keepViews([low])[0]).not.toBe(lowView)
  })

  it('show what lies there now', () => {
    const region = createRegion(1)
    const range = { address: region.address, byteLength: PAGE }
    const [view] = keepViews([range])
    region.view(0, PAGE)[5] = 77
    expect(view[5]).toBe(77)
    region.view(0, PAGE)[5] = 78
    expect(keepViews([range])[0][5]).toBe(78)
  })
})
