/** Raw images and Firecracker memory files: sparse files of this file system, real in that they are what these formats are. */
import { writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { GIB, MIB } from '../../../src/core/units.ts'
import { regionsByRule } from '../../../src/snapshot/formats/firecracker.ts'
import { eagerLoad } from '../../../src/snapshot/load.ts'
import { openSnapshot } from '../../../src/snapshot/open-snapshot.ts'
import { expectRefusal } from '../support.ts'
import { dataPages, firstBytes, PAGE, pageOf, sparseFile, temporaryFolder } from './support.ts'

const path = temporaryFolder('images')

describe('a raw image', () => {
  test('has data where the file has no hole, zeros that were written among them', async () => {
    const file = await sparseFile(path('vm.raw'), 64 * PAGE, [
      [3 * PAGE, pageOf(3)],
      [4 * PAGE, pageOf(0)],
      [63 * PAGE, pageOf(63)],
    ])
    const snapshot = await openSnapshot(file)
    const [block] = snapshot.blocks
    expect(snapshot).toMatchObject({ format: 'raw', name: file, machine: null, deviceState: null })
    expect(block).toMatchObject({ name: 'ram', usedLength: 64 * PAGE, pageSize: PAGE, pagesOffset: 0 })
    expect(dataPages(block)).toEqual([3, 4, 63])
    const [bytes] = await eagerLoad(snapshot)
    expect(bytes.subarray(3 * PAGE, 4 * PAGE)).toEqual(pageOf(3))
    expect(bytes.subarray(63 * PAGE)).toEqual(pageOf(63))
    await snapshot.close()
  })

  test('is taken for one by its name or by word, and not otherwise', async () => {
    const file = await sparseFile(path('image.dat'), 16 * PAGE, [[0, pageOf(1)]])
    const hint = `expected 51 45 56 4d (QEVM) there or in the first MiB, or a format in front, as in raw:${file}`
    await expectRefusal(openSnapshot(file), 'format', `${file}: 0x0: stream magic: found 26 27 28 29, ${hint}`)
    const snapshot = await openSnapshot(`raw:${file}`)
    expect(snapshot).toMatchObject({ format: 'raw', name: `raw:${file}` })
    await snapshot.close()
  })

  test('may have other pages, and commas in its path', async () => {
    const file = await sparseFile(path('a,page=1,b.img'), 16 * PAGE, [[9 * PAGE, pageOf(9)]])
    const snapshot = await openSnapshot(`raw:${file},page=16K`)
    expect(snapshot.blocks[0]).toMatchObject({ pageCount: 4, pageSize: 16384, setBits: 1 })
    expect(dataPages(snapshot.blocks[0])).toEqual([2])
    await snapshot.close()
  })

  test('of no whole number of pages is refused, as are page sizes that none has', async () => {
    const file = await sparseFile(path('odd.raw'), 5 * PAGE + 7, [])
    const message = `${file}: 0x5007: end of the file: found 20487 bytes, expected a multiple of 4096`
    await expectRefusal(openSnapshot(file), 'format', message)
    await expectRefusal(openSnapshot(`raw:${file},page=5000`), 'usage', /^page size: found 5000, expected a power/)
  })
})

describe("Firecracker's memory file", () => {
  const VM_STATE = Buffer.alloc(64)
  VM_STATE.writeBigUInt64LE(0x0710_1984_8664_0000n)

  test('of more than 3 GiB is cut at the MMIO gap, and zeros come from holes', async () => {
    const file = await sparseFile(path('large', 'memory'), 4 * GIB, [
      [2 * PAGE, pageOf(2)],
      [3 * GIB - PAGE, pageOf(5)],
      [3 * GIB, pageOf(6)],
      [4 * GIB - PAGE, pageOf(7)],
    ])
    const snapshot = await openSnapshot(file)
    expect(snapshot.format).toBe('firecracker')
    expect(snapshot.blocks).toMatchObject([
      { name: 'ram@0x0', address: 0, usedLength: 3 * GIB, pagesOffset: 0, setBits: 2 },
      { name: 'ram@0x100000000', address: 4 * GIB, usedLength: GIB, pagesOffset: 3 * GIB, setBits: 2 },
    ])
    expect(snapshot.blocks.map(dataPages)).toEqual([
      [2, 3 * 2 ** 18 - 1],
      [0, 2 ** 18 - 1],
    ])
    await snapshot.close()
  })

  test.each([
    ['x86_64', 0x0710_1984_8664_0003n, 0],
    ['aarch64', 0x0710_1984_aaaa_0000n, 2 * GIB],
  ])('is known by a state file of %s beside it', async (architecture, magic, address) => {
    const state = Buffer.from(VM_STATE)
    state.writeBigUInt64LE(magic)
    await writeFile(path(architecture, 'vmstate'), state)
    const file = await sparseFile(path(architecture, 'unnamed'), 2 * MIB, [[PAGE, pageOf(1)]])
    const snapshot = await openSnapshot(file)
    expect(snapshot).toMatchObject({ format: 'firecracker', blocks: [{ address, usedLength: 2 * MIB, setBits: 1 }] })
    await snapshot.close()
  })

  test('takes the regions that are given, in the order of the file', async () => {
    const file = await sparseFile(path('given'), 3 * MIB, [[2 * MIB, pageOf(8)]])
    const snapshot = await openSnapshot(`firecracker:${file},regions=0x80000000+2MiB;1MiB+0x100000`)
    expect(snapshot.blocks).toMatchObject([
      { name: 'ram@0x80000000', usedLength: 2 * MIB, pagesOffset: 0, setBits: 0 },
      { name: 'ram@0x100000', usedLength: MIB, pagesOffset: 2 * MIB, setBits: 1 },
    ])
    expect((await firstBytes(snapshot))[1][0]).toBe(pageOf(8)[0])
    await snapshot.close()
  })

  test.each([
    ['regions=0', /regions: found "0", expected ADDRESS\+LENGTH/, 'usage'],
    ['regions=0+4097', /regions: found "0\+4097", expected whole pages/, 'usage'],
    ['regions=0+2MiB;1MiB+1MiB', /regions: found ram@0x100000 inside another/, 'usage'],
    ['regions=0+2MiB', /0x300000: end of the file: found 3145728 bytes, expected 2097152, as regions say/, 'format'],
    ['arch=riscv', /arch: found "riscv", expected x86_64 or aarch64/, 'usage'],
  ] as const)('with %s is refused', async (option, message, code) => {
    const file = await sparseFile(path('refused'), 3 * MIB, [])
    await expectRefusal(openSnapshot(`firecracker:${file},${option}`), code, message)
  })

  test('of no whole number of MiB is refused', async () => {
    const file = await sparseFile(path('short'), MIB + PAGE, [])
    await expectRefusal(openSnapshot(`firecracker:${file}`), 'format', /0x101000: end of the file: .* of 1048576$/)
  })

  test('may reach beyond the 64-bit gap', () => {
    const regions = regionsByRule('x86_64', 300 * GIB).map(({ address, length }) => [address, length])
    expect(regions).toEqual([
      [0, 3 * GIB],
      [4 * GIB, 252 * GIB],
      [512 * GIB, 45 * GIB],
    ])
  })
})
