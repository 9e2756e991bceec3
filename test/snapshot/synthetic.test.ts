import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { countBits, nextClearBit, nextSetBit } from '../../src/core/bitmap.ts'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import { openSynthetic } from '../../src/snapshot/synthetic.ts'
import { expectRefusal } from './support.ts'

test('openSnapshot knows it by its prefix, and it has one block of the size given', async () => {
  const snapshot = await openSnapshot('synthetic:64MiB,zero=60%,runs=64,seed=1')
  const { bitmap: _, setBits: __, ...block } = snapshot.blocks[0]
  expect(block).toEqual({
    name: 'pc.ram',
    usedLength: 64 * 2 ** 20,
    pageSize: 4096,
    pageCount: 16384,
    bitmapOffset: null,
    pagesOffset: 0,
    ignored: false,
    address: null,
    places: null,
  })
  expect(snapshot).toMatchObject({
    format: 'synthetic',
    machine: null,
    capabilities: [],
    deviceState: null,
    ramSectionId: null,
  })
  await snapshot.close()
})

describe('the layout', () => {
  property.prop([
    fc.integer({ min: 1, max: 5000 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.integer({ min: 1, max: 300 }),
    fc.nat(),
  ])('has as many set bits as it says, and none past the last page', (pages, zero, runs, seed) => {
    const text = `synthetic:${pages * 4096},zero=${zero.toFixed(6)},runs=${runs},seed=${seed}`
    const { bitmap, setBits, pageCount } = openSynthetic(text).blocks[0]
    expect(pageCount).toBe(pages)
    expect(countBits(bitmap, 0, pageCount)).toBe(setBits)
    expect(countBits(bitmap, pageCount, bitmap.length * 32 - pageCount)).toBe(0)
  })

  test.each([
    [0.6, 64],
    [0.6, 4],
    [0.05, 64],
    [0.9, 200],
    [0.5, 1],
  ])('has a zero share near %d with data runs of %i pages', (zero, runs) => {
    const { bitmap, setBits, pageCount } = openSynthetic(`synthetic:16GiB,zero=${zero},runs=${runs}`).blocks[0]
    expect(Math.abs(1 - setBits / pageCount - zero)).toBeLessThan(0.02)
    let dataRuns = 0
    for (let page = nextSetBit(bitmap, 0, pageCount); page < pageCount; dataRuns++) {
      page = nextSetBit(bitmap, nextClearBit(bitmap, page, pageCount), pageCount)
    }
    const meanRun = setBits / dataRuns
    expect(meanRun / runs).toBeGreaterThan(0.93)
    expect(meanRun / runs).toBeLessThan(1.07)
  })

  test('lengthens data runs where zero runs would be shorter than a page', () => {
    const { setBits, pageCount } = openSynthetic('synthetic:16GiB,zero=1%,runs=2').blocks[0]
    expect(Math.abs(1 - setBits / pageCount - 0.01)).toBeLessThan(0.002)
  })

  test('is all data at zero=0 and all zeros at zero=100%', () => {
    expect(openSynthetic('synthetic:1MiB,zero=0').blocks[0].setBits).toBe(256)
    expect(openSynthetic('synthetic:1MiB,zero=100%').blocks[0].setBits).toBe(0)
  })

  test('is the same for the same text and another for another seed', () => {
    const bitmapOf = (text: string) => openSynthetic(text).blocks[0].bitmap
    expect(bitmapOf('synthetic:64MiB,seed=7')).toEqual(bitmapOf('synthetic:64MiB,seed=7'))
    expect(bitmapOf('synthetic:64MiB,seed=7')).not.toEqual(bitmapOf('synthetic:64MiB,seed=8'))
  })
})

describe('the contents', () => {
  const { source } = openSynthetic('synthetic:8MiB,seed=5')
  const readAt = async (offset: number, length: number) => {
    const bytes = Buffer.alloc(length)
    await source.read(offset, bytes)
    return bytes
  }

  property.prop([fc.nat(8 * 2 ** 20 - 20_000), fc.integer({ min: 1, max: 20_000 })])(
    'do not depend on how they are cut into reads',
    async (offset, length) => {
      const first = Math.floor(offset / 4096) * 4096
      const whole = await readAt(first, Math.ceil((offset + length - first) / 4096) * 4096)
      expect((await readAt(offset, length)).equals(whole.subarray(offset - first, offset - first + length))).toBe(true)
    },
  )

  test('are never a zero page, and no two pages are alike', async () => {
    const pages = new Set<string>()
    for (let page = 0; page < 2048; page++) {
      const bytes = await readAt(page * 4096, 4096)
      expect(bytes.some(byte => byte !== 0)).toBe(true)
      pages.add(bytes.toString('latin1'))
    }
    expect(pages.size).toBe(2048)
  })

  test('differ from those of another seed', async () => {
    const other = Buffer.alloc(4096)
    await openSynthetic('synthetic:8MiB,seed=6').source.read(0, other)
    expect(other.equals(await readAt(0, 4096))).toBe(false)
  })

  test('end where the memory ends', async () => {
    const message = 'synthetic:8MiB,seed=5: 0x7ffff0: read: found 16 bytes, expected 17'
    await expectRefusal(source.read(8 * 2 ** 20 - 16, new Uint8Array(17)), 'io', message)
  })
})

describe('the identity', () => {
  const identity = (text: string) => openSynthetic(text).identity

  test('is that of the spec, however it is written', () => {
    expect(identity('synthetic:64MiB')).toBe(identity('synthetic:65536K,seed=1,zero=60%'))
    expect(identity('synthetic:64MiB')).toMatch(/^[0-9a-f]{64}$/)
  })

  test.each(['65MiB', '64MiB,seed=2', '64MiB,zero=61%', '64MiB,runs=65', '64MiB,page=8K'])('differs for %s', text => {
    expect(identity(`synthetic:${text}`)).not.toBe(identity('synthetic:64MiB'))
  })
})

test('1 TiB opens without its memory: the bitmap of 32 MiB is all that there is', () => {
  const before = process.memoryUsage().rss
  const { blocks, source } = openSynthetic('synthetic:1TiB')
  expect(blocks[0].pageCount).toBe(2 ** 28)
  expect(blocks[0].bitmap.byteLength).toBe(32 * 2 ** 20)
  expect(source.byteLength).toBe(2 ** 40)
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20)
})

describe('a spec that makes no sense', () => {
  test.each([
    ['synthetic:', /^synthetic: found "", expected key=value$/],
    ['synthetic:zero=50%', /^synthetic:zero=50%: found no size, expected one as in synthetic:1GiB,zero=60%$/],
    ['synthetic:big', /^synthetic: size: found "big", expected a size such as/],
    ['synthetic:0', /size: found 0 bytes, expected 1 to 4294967295 whole pages of 4096$/],
    ['synthetic:5000', /size: found 5000 bytes, expected 1 to 4294967295 whole pages of 4096$/],
    ['synthetic:16T', /size: found 17592186044416 bytes, expected 1 to 4294967295 whole pages/],
    ['synthetic:1MiB,page=5000', /page: found 5000, expected a power of two from 512 to 1 GiB$/],
    ['synthetic:1MiB,runs=0', /^synthetic: option runs: found 0, expected at least 1$/],
    ['synthetic:1MiB,blocks=2', /^synthetic: found option "blocks", expected one of zero, runs, seed, page$/],
  ])('%s is refused', async (text, message) => {
    await expectRefusal(openSnapshot(text), 'usage', message)
  })
})
