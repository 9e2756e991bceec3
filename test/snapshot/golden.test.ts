import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hashBlock } from '../../src/snapshot/load.ts'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import type { Snapshot } from '../../src/snapshot/snapshot.ts'
import { fixtureBytes, fixtureGolden, type Golden, read } from './support.ts'

describe.each(['pc-16m', 'memfd-16m'])('%s, written by QEMU 10.0.13', name => {
  let directory: string
  let bytes: Buffer
  let golden: Golden
  let snapshot: Snapshot

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lazyrestore-golden-'))
    bytes = await fixtureBytes(name)
    golden = await fixtureGolden(name)
    const path = join(directory, `${name}.mig`)
    await writeFile(path, bytes)
    snapshot = await openSnapshot(path)
  })
  afterAll(async () => {
    await snapshot.close()
    await rm(directory, { recursive: true })
  })

  test('has the machine, dialect and RAM section that QEMU wrote', () => {
    const { format, machine, capabilities, ramSectionId } = snapshot
    expect({ format, machine, capabilities, ramSectionId }).toEqual({
      format: 'mapped-ram',
      machine: golden.machine,
      capabilities: ['mapped-ram'],
      ramSectionId: 1,
    })
  })

  test('has every RAM block with every header field and as many set bits as the golden file', () => {
    const found = snapshot.blocks.map(block => ({
      name: block.name,
      used_length: block.usedLength,
      page_size: block.pageSize,
      bitmap_offset: block.bitmapOffset,
      pages_offset: block.pagesOffset,
      set_bits: block.setBits,
    }))
    expect(found).toEqual(
      golden.ram_blocks.map(({ zero_pages_after_load: _, sha256_after_load: __, ...fields }) => fields),
    )
  })

  test('loads to the content and the number of zero pages that the golden file states', async () => {
    const found = await Promise.all(snapshot.blocks.map(block => hashBlock(snapshot, block)))
    expect(found).toEqual(
      golden.ram_blocks.map(block => ({
        sha256: block.sha256_after_load,
        zeroPages: block.zero_pages_after_load,
      })),
    )
  })

  test('ends its device state at the EOF byte, and the description behind it is JSON up to the end of the file', () => {
    const { offset, length } = snapshot.deviceState!
    const description = snapshot.vmDescription!
    expect(bytes[offset]).toBe(0x04) // SECTION_FULL
    expect(bytes[offset - 5]).toBe(0x7e) // the footer of RAM's SECTION_END
    expect(bytes[offset + length]).toBe(0x00)
    expect(description.offset + description.length).toBe(bytes.length)
    const json = JSON.parse(bytes.toString('utf8', description.offset))
    expect(json.page_size).toBe(4096)
    expect(json.devices[0].name).toBe('timer')
  })

  test('has an identity that is the documented digest', () => {
    const hash = createHash('sha256').update('mapped-ram\n')
    for (const { name, used_length, page_size, bitmap_offset } of golden.ram_blocks) {
      hash.update(`${JSON.stringify({ name, usedLength: used_length, pageSize: page_size, ignored: false })}\n`)
      hash.update(bytes.subarray(bitmap_offset, bitmap_offset + Math.ceil(used_length / page_size / 32) * 4))
    }
    expect(snapshot.identity).toBe(hash.digest('hex'))
  })
})

test('two snapshots whose blocks differ in name only have different identities', async () => {
  const pc = await read(await fixtureBytes('pc-16m'))
  const memfd = await read(await fixtureBytes('memfd-16m'))
  expect(pc.blocks.map(block => block.setBits)).toEqual(memfd.blocks.map(block => block.setBits))
  expect(pc.identity).not.toBe(memfd.identity)
})

test("QEMU's stream behind a libvirt header and its XML, as the sparse save format has it, is the same memory", async () => {
  const bytes = await fixtureBytes('pc-16m')
  const golden = await fixtureGolden('pc-16m')
  const [{ bitmap_offset, used_length, page_size }] = golden.ram_blocks
  // Offsets in the stream count from byte 0 of the file: only what stands before the first block's pages moves.
  const frontEnd = bitmap_offset + used_length / page_size / 8
  const xml = Buffer.from('<domain type="kvm"/>'.padEnd(4096 - 92, '\0'))
  const header = Buffer.alloc(92)
  header.write('LibvirtQemudSave', 'latin1')
  for (const [i, value] of [2, xml.length, 1, 6, 0].entries()) header.writeUInt32LE(value, 16 + i * 4)
  const front = Buffer.from(bytes.subarray(0, frontEnd))
  front.writeBigUInt64BE(BigInt(bitmap_offset + 4096), bitmap_offset - 16)
  const image = Buffer.from(bytes)
  image.fill(0, 0, 4096)
  image.set(Buffer.concat([header, xml, front]))
  const snapshot = await read(image)
  expect(snapshot.blocks[0].bitmapOffset).toBe(bitmap_offset + 4096)
  const found = await Promise.all(snapshot.blocks.map(async block => (await hashBlock(snapshot, block)).sha256))
  expect(found).toEqual(golden.ram_blocks.map(({ sha256_after_load }) => sha256_after_load))
})
