/** Reads of a file into memory at an address: all bytes, or an error with file, offset and what was found. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest'
import { FileReader } from '../../../src/uffd/engine/page-reader.ts'
import { MemoryRegion } from '../../../src/uffd/memory-region.ts'
import { libc } from '../../../src/uffd/native.ts'
import { requireForEach, requireOrSkip } from '../../support/availability.ts'

const PAGE = 4096
const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-reader-'))
const path = join(folder, 'file')
const bytes = Uint8Array.from({ length: 4 * PAGE + 100 }, (_, i) => (i * 31 + (i >>> 8)) & 255)

function reasonOf(attempt: () => void): string | null {
  try {
    attempt()
    return null
  } catch (error) {
    return (error as Error).message
  }
}

requireForEach(() => reasonOf(() => void libc()))

let memory: MemoryRegion
beforeAll(() => {
  writeFileSync(path, bytes)
  if (reasonOf(() => void libc()) === null) {
    memory = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: 8 * PAGE })
  }
})
afterAll(() => {
  memory?.close()
  rmSync(folder, { recursive: true })
})

/** Opens the file, direct where the file system can, and closes it after. */
function withReader(context: TestContext, direct: boolean, use: (reader: FileReader) => void): void {
  if (direct)
    requireOrSkip(
      context,
      reasonOf(() => new FileReader(path, true).close()),
    )
  const reader = new FileReader(path, direct)
  try {
    use(reader)
  } finally {
    reader.close()
  }
}

describe.each([false, true])('a reader with direct=%s', direct => {
  it('fills exactly the bytes that were asked for', context => {
    withReader(context, direct, reader => {
      const view = memory.view(0, 8 * PAGE)
      view.fill(0xaa)
      reader.read(PAGE, memory.address + 2 * PAGE, 2 * PAGE)
      expect(Buffer.compare(view.subarray(2 * PAGE, 4 * PAGE), bytes.subarray(PAGE, 3 * PAGE))).toBe(0)
      expect(view[2 * PAGE - 1]).toBe(0xaa)
      expect(view[4 * PAGE]).toBe(0xaa)
    })
  })

  it('that meets the end of the file says how much there was', context => {
    withReader(context, direct, reader => {
      const mode = direct ? ' \\(O_DIRECT\\)' : ''
      expect(() => reader.read(3 * PAGE, memory.address, 2 * PAGE)).toThrow(
        new RegExp(`^${path}: offset ${3 * PAGE}${mode}: found ${PAGE + 100} bytes, expected ${2 * PAGE}$`),
      )
      expect(() => reader.read(16 * PAGE, memory.address, PAGE)).toThrow(/: found 0 bytes, expected 4096$/)
    })
  })

  it('sees a file that became shorter after it was opened', context => {
    withReader(context, direct, reader => {
      truncateSync(path, PAGE)
      try {
        expect(() => reader.read(0, memory.address, 2 * PAGE)).toThrow(/: found 4096 bytes, expected 8192$/)
      } finally {
        writeFileSync(path, bytes)
      }
    })
  })

  it('that cannot write where it is told to says so', context => {
    withReader(context, direct, reader => {
      expect(() => reader.read(0, PAGE, PAGE)).toThrow(/: offset 0( \(O_DIRECT\))?: cannot read: EFAULT$/)
    })
  })

  it('is closed twice without harm, and reads no more', context => {
    withReader(context, direct, reader => {
      reader.close()
      reader.close()
      expect(() => reader.read(0, memory.address, PAGE)).toThrow(/: offset 0( \(O_DIRECT\))?: cannot read: EBADF$/)
    })
  })

  it('of a file that is missing is not made', () => {
    const missing = join(folder, 'missing')
    expect(() => new FileReader(missing, direct)).toThrow(
      new RegExp(`^${missing}: open( \\(O_DIRECT\\))?: found ENOENT$`),
    )
  })
})

it.for([
  [100, PAGE],
  [PAGE, 100],
])('a direct read at offset %i of %i bytes is refused before the kernel sees it', ([offset, length], context) => {
  withReader(context, true, reader => {
    expect(() => reader.read(offset, memory.address, length)).toThrow(
      `${path}: pread (O_DIRECT): found a direct read of ${length} bytes at ${offset}, expected multiples of 4096`,
    )
  })
})
