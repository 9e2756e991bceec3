/** ELF cores: real ones that QEMU 7.2 wrote of the self-checking guest, with golden files made by another program. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { hashBlock } from '../../../src/snapshot/load.ts'
import { openSnapshot } from '../../../src/snapshot/open-snapshot.ts'
import { expectRefusal } from '../support.ts'
import { temporaryFolder } from './support.ts'

const FIXTURES = join(import.meta.dirname, '../../fixtures/snapshots/elf-core')
const path = temporaryFolder('elf-core')

interface Golden {
  readonly segments: readonly {
    readonly address: number
    readonly bytes: number
    readonly pages_offset: number
    readonly zero_pages: number
    readonly sha256: string
  }[]
}

async function fixture(name: string, change: (bytes: Buffer) => Buffer | undefined = () => undefined): Promise<string> {
  const bytes = gunzipSync(await readFile(join(FIXTURES, `${name}.gz`)))
  const file = path(name)
  await writeFile(file, change(bytes) ?? bytes)
  return file
}

describe.each(['guest-2m', 'low-2m-of-4g', 'around-4g'])('%s, written by QEMU 7.2', name => {
  test('has the segments and the content of the golden file', async () => {
    const { segments }: Golden = JSON.parse(await readFile(join(FIXTURES, `${name}.json`), 'utf8'))
    const snapshot = await openSnapshot(await fixture(`${name}.elf`))
    expect(snapshot.format).toBe('elf-core')
    const found = await Promise.all(
      snapshot.blocks.map(async block => {
        const { sha256, zeroPages } = await hashBlock(snapshot, block)
        const { address, usedLength, pagesOffset } = block
        return { address, bytes: usedLength, pages_offset: pagesOffset, zero_pages: zeroPages, sha256 }
      }),
    )
    expect(found).toEqual(segments)
    expect(snapshot.blocks.map(block => block.name)).toEqual(segments.map(s => `ram@0x${s.address.toString(16)}`))
    await snapshot.close()
  })
})

describe('an ELF file of another kind', () => {
  const change = (at: number, value: number) => (bytes: Buffer) => {
    bytes[at] = value
    return undefined
  }
  /** Field `field` of program header 1, the first with memory. */
  const program = (field: number, value: bigint) => (bytes: Buffer) => {
    bytes.writeBigUInt64LE(value, 0xf8 + field)
    return undefined
  }
  test.each([
    ['a class that there is not', change(4, 3), /0x4: class: found 3, expected 1 \(32 bits\) or 2/],
    ['a byte order that there is not', change(5, 0), /0x5: byte order: found 0, expected 1 \(little\) or 2/],
    ['a program', change(16, 2), /0x10: type: found 2, expected 4 \(core\)/],
    ['other program headers', change(54, 32), /0x36: bytes of a program header: found 32, expected 56/],
    ['no segments', change(56, 1), /0x38: segments with memory: found none, expected at least one/],
    ['an odd length', program(32, 4097n), /0x118: bytes of the segment: found 4097, expected a multiple of 4096/],
    ['an odd address', program(24, 5n), /0x110: address of the segment: found 5, expected a multiple of 4096/],
    ['a segment behind its end', program(8, 1n << 40n), /0x100: segment: found bytes up to .* inside the file of/],
    ['an offset beyond 2^53', program(8, 1n << 60n), /0x100: offset of the segment: found 0x10+, expected less than/],
    [
      'a segment over another',
      program(24, 0x100000n),
      /segment: found ram@0x100000 inside ram@0x100000, .* paging off/,
    ],
    ['segments that share bytes', program(8, 0xc0480n), /ram@0xc0000: found \[.*\) inside \[.*\), ram@0x0, expected/],
    ['its headers cut off', (b: Buffer) => b.subarray(0, 100), /0xc0: 7 program headers: found the end of the file at/],
    ['nothing but an identity', (b: Buffer) => b.subarray(0, 16), /0x0: ELF header: found the end of the file at 0x10/],
  ] as const)('%s is refused', async (_, damage, message) => {
    await expectRefusal(openSnapshot(await fixture('guest-2m.elf', damage)), 'format', message)
  })

  test('a kdump, as QEMU 7.2 writes it, is refused by its name', async () => {
    const message = /0x0: magic: found a kdump-compressed dump, expected an ELF core: dump it again without a format/
    await expectRefusal(openSnapshot(await fixture('head.kdump')), 'unsupported', message)
  })
})
