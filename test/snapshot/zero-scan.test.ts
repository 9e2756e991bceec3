/** Pages that are all zero though they have data: found, taken as zero pages, and remembered beside the snapshot. */
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { memorySource } from '../../src/snapshot/byte-source.ts'
import { eagerLoad } from '../../src/snapshot/load.ts'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import { findZeros, readZeroCache } from '../../src/snapshot/zero-cache.ts'
import { scanZeros } from '../../src/snapshot/zero-scan.ts'
import { dataPages, PAGE, pageOf, sparseFile, temporaryFolder } from './formats/support.ts'
import { expectRefusal } from './support.ts'

const path = temporaryFolder('zeros')
/** Counts the pages that a scan looks at. */
const counter = () => {
  const seen = {
    pages: 0,
    onPages(done: number) {
      seen.pages = done
    },
  }
  return seen
}

describe('a scan', () => {
  const kinds = fc.array(fc.constantFrom('hole', 'zeros', 'first', 'last', 'full'), { minLength: 1, maxLength: 700 })
  property.prop([kinds, fc.constantFrom(4096, 8192)], { numRuns: 15 })(
    'leaves just the pages with a byte that is not zero, and memory as it was',
    async (pages, pageSize) => {
      const content = (kind: string) => {
        const bytes = new Uint8Array(pageSize)
        if (kind === 'full') bytes.fill(7)
        if (kind === 'first') bytes[0] = 1
        if (kind === 'last') bytes[pageSize - 1] = 1
        return bytes
      }
      const pieces = pages.flatMap((kind, i) => (kind === 'hole' ? [] : [[i * pageSize, content(kind)] as const]))
      const file = await sparseFile(path('any.raw'), pages.length * pageSize, pieces)
      const snapshot = await openSnapshot(`raw:${file},page=${pageSize}`)
      const found = await findZeros(snapshot)
      const data = pages.flatMap((kind, i) => (['full', 'first', 'last'].includes(kind) ? [i] : []))
      expect(dataPages(found.blocks[0])).toEqual(data)
      expect(found.blocks[0].setBits).toBe(data.length)
      expect(await eagerLoad(found)).toEqual(await eagerLoad(snapshot))
      await snapshot.close()
    },
  )

  test('of a snapshot without such pages is the snapshot itself, and of a synthetic one reads nothing', async () => {
    const file = await sparseFile(path('none.raw'), 4 * PAGE, [[PAGE, pageOf(1)]])
    const snapshot = await openSnapshot(file)
    expect(await findZeros(snapshot)).toBe(snapshot)
    const synthetic = await openSnapshot('synthetic:1MiB')
    expect(await findZeros(synthetic)).toBe(synthetic)
    await snapshot.close()
  })

  test('looks at every page with data once', async () => {
    const pieces = Array.from({ length: 600 }, (_, i) => [2 * i * PAGE, pageOf(i % 3)] as const)
    const snapshot = await openSnapshot(await sparseFile(path('once.raw'), 1200 * PAGE, pieces))
    const seen = counter()
    await scanZeros(snapshot, seen)
    expect(seen.pages).toBe(600)
    await snapshot.close()
  })
})

describe('what a scan found', () => {
  const image = () =>
    sparseFile(path('vm.raw'), 64 * PAGE, [
      [PAGE, pageOf(0)],
      [9 * PAGE, pageOf(9)],
    ])

  test('is kept beside the file and used as long as that is the same', async () => {
    const file = await image()
    const open = async () => {
      const seen = counter()
      const snapshot = await openSnapshot(file)
      const { blocks, identity } = await findZeros(snapshot, seen)
      await snapshot.close()
      return { pages: seen.pages, data: dataPages(blocks[0]), identity }
    }
    const first = await open()
    expect(first).toMatchObject({ pages: 2, data: [9] })
    expect(await open()).toEqual({ ...first, pages: 0 })
    const { header } = await readZeroCache(memorySource(await readFile(`${file}.lrzero`), 'CACHE'))
    expect(header.bitmapBytes).toBe(8)

    const { atime, mtime } = await stat(file)
    await utimes(file, atime, new Date(mtime.getTime() + 1000))
    expect(await open()).toEqual(first)
    expect((await open()).pages).toBe(0)

    const bytes = await readFile(`${file}.lrzero`)
    bytes[bytes.length - 6] ^= 0x20
    await writeFile(`${file}.lrzero`, bytes)
    await expectRefusal(readZeroCache(memorySource(bytes, 'CACHE')), 'format', /found contents of CRC .* damaged$/)
    expect(await open()).toEqual(first)
  })

  test('of a chain is kept beside its list, and ends when a layer changes', async () => {
    await sparseFile(path('a.raw'), 4 * PAGE, [[0, pageOf(0)]])
    const diff = await sparseFile(path('b.diff'), 4 * PAGE, [[PAGE, pageOf(0)]])
    await writeFile(path('list'), 'lazyrestore layers 1\na.raw\nb.diff\n')
    const pagesSeen = async () => {
      const seen = counter()
      const snapshot = await openSnapshot(path('list'))
      expect((await findZeros(snapshot, seen)).blocks[0].setBits).toBe(0)
      await snapshot.close()
      return seen.pages
    }
    expect([await pagesSeen(), await pagesSeen()]).toEqual([2, 0])
    await stat(path('list.lrzero'))
    await utimes(diff, new Date(0), new Date(0))
    expect(await pagesSeen()).toBe(2)
  })

  test('is not kept where that cannot be written, and found all the same', async () => {
    const file = await sparseFile(path('closed', 'vm.raw'), 4 * PAGE, [[0, pageOf(0)]])
    await mkdir(path('closed', 'vm.raw.lrzero'))
    const snapshot = await openSnapshot(file)
    expect((await findZeros(snapshot)).blocks[0].setBits).toBe(0)
    expect((await readdir(path('closed'))).sort()).toEqual(['vm.raw', 'vm.raw.lrzero'])
    await snapshot.close()
  })
})
