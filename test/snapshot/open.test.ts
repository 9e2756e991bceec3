/** Where a stream may be found, and what is said of a file in which there is none. */
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { memorySource } from '../../src/snapshot/byte-source.ts'
import { openFile } from '../../src/snapshot/file-source.ts'
import { frameMagic } from '../../src/snapshot/frame-magic.ts'
import { eagerLoad } from '../../src/snapshot/load.ts'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import { readSnapshot } from '../../src/snapshot/qemu-snapshot.ts'
import { writeSnapshot } from '../../src/snapshot/snapshot-writer.ts'
import { bitmapOf, encode, expectRefusal, read, smallContent, watchedSource } from './support.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lazyrestore-open-'))
})
afterAll(() => rm(directory, { recursive: true }))

const path = (name: string) => join(directory, name)

/**
 * The small snapshot with `front` bytes before its stream. Offsets in a stream count from byte 0 of the file, so all of
 * the file but the stream's first part stays where it is: the first record and its bitmap must fit before its pages.
 */
async function behind(front: Buffer): Promise<Buffer> {
  const bytes = await encode(smallContent())
  const moved = Buffer.from(bytes)
  const start = bytes.subarray(0, 135) // up to the end of the first bitmap
  moved.fill(0, 0, 135)
  moved.set(front, 0)
  moved.set(start, front.length)
  moved.writeBigUInt64BE(BigInt(127 + front.length), 111 + front.length)
  return moved
}

function libvirtHeader(magic: string, dataLength: number): Buffer {
  const header = Buffer.alloc(92)
  header.write(magic, 'latin1')
  for (const [i, value] of [2, dataLength, 1, 6, 0].entries()) header.writeUInt32LE(value, 16 + i * 4)
  return header
}

describe('a stream that does not start at byte 0', () => {
  test("behind libvirt's header and its XML is read, and its offsets count from byte 0 of the file", async () => {
    const xml = Buffer.from('<domain/>'.padEnd(1000, '\0'))
    const { blocks } = await read(await behind(Buffer.concat([libvirtHeader('LibvirtQemudSave', 1000), xml])))
    expect(blocks).toMatchObject([
      { name: 'ram', setBits: 3, bitmapOffset: 127 + 1092, pagesOffset: 0x100000 },
      { name: 'rom', setBits: 1, bitmapOffset: 0x105028 },
    ])
  })

  test('at an offset that the caller gives is read there', async () => {
    const bytes = await behind(Buffer.alloc(4096, 'x'))
    expect((await read(bytes, { streamOffset: 4096 })).blocks[0].bitmapOffset).toBe(127 + 4096)
    const message = 'FILE: 0x0: stream magic: found 78 78 78 78, expected 51 45 56 4d (QEVM)'
    await expectRefusal(read(bytes, { streamOffset: 0 }), 'format', message)
    const past = 'FILE: 0xffffff: stream magic: found nothing, expected 51 45 56 4d (QEVM)'
    await expectRefusal(read(bytes, { streamOffset: 0xffffff }), 'format', past)
    await expectRefusal(read(bytes, { streamOffset: -1 }), 'usage', 'stream offset: found -1, expected a whole number')
  })

  test('is found by its magic and version in the first MiB, and a magic of another version is passed over', async () => {
    const front = Buffer.concat([Buffer.from('an unknown header QEVM\0\0\0\x02'), Buffer.alloc(777)])
    expect((await read(await behind(front))).blocks[0].setBits).toBe(3)
  })
})

describe('what libvirt wrote but is no sparse image', () => {
  test('a save that did not finish', async () => {
    const bytes = await behind(libvirtHeader('LibvirtQemudPart', 0))
    await expectRefusal(read(bytes), 'format', "FILE: 0x0: libvirt's save did not finish (LibvirtQemudPart)")
  })

  test('a compressed one', async () => {
    const bytes = Buffer.concat([libvirtHeader('LibvirtQemudSave', 8), Buffer.from('<domain>'), gzipSync('QEVM')])
    const message =
      /^FILE: 0x64: stream magic behind libvirt's header \(save format 6\): found 1f 8b 08 00, expected 51 45/
    await expectRefusal(read(bytes), 'format', message)
  })

  test('one of a big-endian host', async () => {
    const bytes = libvirtHeader('LibvirtQemudSave', 0)
    bytes.writeUInt32BE(2, 16)
    const message = 'FILE: 0x10: libvirt header version: found 33554432, expected 1..65535, little-endian'
    await expectRefusal(read(bytes), 'format', message)
  })

  test('one whose header is cut', async () => {
    const message = 'FILE: 0x0: libvirt header: found the end of the file after 40 bytes, expected 92'
    await expectRefusal(read(libvirtHeader('LibvirtQemudSave', 0).subarray(0, 40)), 'format', message)
  })

  test('one whose stream would start behind the end of the file', async () => {
    const message = /^FILE: 0x10000005b: stream magic behind libvirt's header .*: found nothing, expected 51 45 56 4d/
    await expectRefusal(read(libvirtHeader('LibvirtQemudSave', 0xffffffff)), 'format', message)
  })
})

describe('a path that is no snapshot', () => {
  test('that does not exist', async () => {
    await expectRefusal(openSnapshot(path('none')), 'io', `${path('none')}: no such file`)
  })

  test.each([
    ['firecraker:FILE', /^snapshot: found format "firecraker", expected one of .*firecracker.*, raw$/],
    ['raw:FILE,pge=4K', 'raw: found option "pge", expected one of page'],
    ['raw:FILE,pge=4K,page=4K', 'raw: found option "pge", expected one of page'],
    ['raw:FILE,page=4K,page=8K', 'raw: option page is given twice'],
    ['raw:FILE,4K', 'raw: found "4K", expected key=value'],
    ['elf-core:FILE,page=4K', 'elf-core: found option "page", expected no options'],
    ['FILE,page=4K', /^snapshot: found option "page", expected a format in front, as in raw:.*named,page=4K$/],
    ['', 'snapshot: found an empty name, expected a file, a folder, FORMAT:PATH or synthetic:…'],
    ['raw:', 'snapshot: found "raw:", which has no path, expected a file, a folder, FORMAT:PATH or synthetic:…'],
  ])('but a misspelt name of one: %s', async (name, message) => {
    await writeFile(path('named'), Buffer.alloc(4096))
    await expectRefusal(openSnapshot(name.replace('FILE', path('named'))), 'usage', message)
  })

  test('that has a comma or a colon in its name is opened where it is there', async () => {
    for (const name of ['with,page=4K', 'odd:named']) await writeFile(path(name), Buffer.alloc(4096))
    await (await openSnapshot(`raw:${path('with,page=4K')},page=4K`)).close()
    await (await openSnapshot(`raw:${path('odd:named')}`)).close()
    await expectRefusal(openSnapshot(`${path('none')},page=4K`), 'io', `${path('none')},page=4K: no such file`)
  })

  test('that is a directory', async () => {
    await mkdir(path('folder'))
    const message = `${path('folder')}: found a directory, expected a snapshot file, or one of CRIU (with an inventory.img) or Cloud Hypervisor (with a state.json)`
    await expectRefusal(openSnapshot(path('folder')), 'io', message)
  })

  test('that is a device', async () => {
    const message = '/dev/null: found a device, pipe or socket, expected a snapshot file'
    await expectRefusal(openSnapshot('/dev/null'), 'io', message)
  })

  test('that is empty', async () => {
    await writeFile(path('empty'), '')
    await expectRefusal(
      openSnapshot(path('empty')),
      'io',
      `${path('empty')}: found an empty file, expected a snapshot file`,
    )
  })

  test('that is a file of ours', async () => {
    await writeFile(path('own'), frameMagic('RT'))
    await expectRefusal(openSnapshot(path('own')), 'format', `${path('own')}: 0x0: found a trace, expected a snapshot`)
  })

  test.each([
    ['1f8b0800', 'gzip', 'gunzip'],
    ['28b52ffd', 'zstd', 'unzstd'],
    ['fd377a585a00', 'xz', 'unxz'],
    ['425a6839', 'bzip2', 'bunzip2'],
  ])('that starts with %s is known as %s', async (magic, name, tool) => {
    await writeFile(path(name), Buffer.from(magic, 'hex'))
    const message = `${path(name)}: found a ${name} file, expected a snapshot: ${tool} it first`
    await expectRefusal(openSnapshot(path(name)), 'unsupported', message)
  })
})

describe('opening', () => {
  test('a sparse file of 2 GiB reads its headers and bitmaps and nothing else', async () => {
    const pageCount = 2 ** 19
    const blocks = [
      { name: 'ram', pageSize: 4096, pageCount, bitmap: bitmapOf(pageCount, [0, 7, pageCount - 1]) },
      { name: 'rom', pageSize: 4096, pageCount: 16, bitmap: bitmapOf(16, [3]) },
    ]
    await writeSnapshot(path('2g'), smallContent({ blocks }))
    const file = await openFile(path('2g'))
    const source = watchedSource(file)
    const snapshot = await readSnapshot(source)
    await file.close()
    expect(snapshot.blocks.map(({ setBits }) => setBits)).toEqual([3, 1])
    const bitmapBytes = pageCount / 8 + 4
    expect(source.bytesRead() - bitmapBytes).toBeLessThan(4096)
    const slots = snapshot.blocks.map(({ pagesOffset, usedLength }) => [pagesOffset, pagesOffset + usedLength])
    for (const { offset, length } of source.reads) {
      for (const [start, end] of slots) expect(offset + length <= start || offset >= end).toBe(true)
    }
  })

  test('and closing twice is harmless, and the pages can be read in between', async () => {
    await writeSnapshot(path('small'), smallContent())
    const snapshot = await openSnapshot(path('small'))
    expect(snapshot.name).toBe(path('small'))
    const fromFile = await eagerLoad(snapshot)
    expect(fromFile).toEqual(await eagerLoad(await read(await encode(smallContent()))))
    await snapshot.close()
    await snapshot.close()
  })
})

describe('a source that ends before the read does', () => {
  test('in memory says where, what it has and what was wanted', async () => {
    const source = memorySource(new Uint8Array(100), 'MEMORY')
    const message = 'MEMORY: 0x50: read: found 20 bytes, expected 30'
    await expectRefusal(source.read(80, new Uint8Array(30)), 'io', message)
    await expectRefusal(source.read(500, new Uint8Array(1)), 'io', 'MEMORY: 0x1f4: read: found 0 bytes, expected 1')
  })

  test('because the file was cut after it was opened says the same', async () => {
    await writeFile(path('shrinking'), new Uint8Array(100))
    const source = await openFile(path('shrinking'))
    const handle = await open(path('shrinking'), 'r+')
    await handle.truncate(60)
    await handle.close()
    const message = `${path('shrinking')}: 0x32: read: found 10 bytes, expected 30`
    await expectRefusal(source.read(50, new Uint8Array(30)), 'io', message)
    await source.close()
    const closed = new RegExp(`^${path('shrinking')}: 0x0: cannot read 1 bytes: `)
    await expectRefusal(source.read(0, new Uint8Array(1)), 'io', closed)
  })
})
