import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MIB } from '../../src/core/units.ts'
import { nativeReason } from '../../src/uffd/native.ts'
import { evictFile, residentBytes } from '../../src/uffd/page-cache-control.ts'
import { requireForEach, requireOrSkip } from '../support/availability.ts'

const TMPFS_MAGIC = 0x01021994

requireForEach(nativeReason)

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lazyrestore-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('the page cache', () => {
  it('is counted, emptied and counted again', context => {
    requireOrSkip(
      context,
      statfsSync(folder).type === TMPFS_MAGIC ? `${tmpdir()} is a tmpfs, which has no other copy` : null,
    )
    const path = join(folder, 'file')
    writeFileSync(path, Buffer.alloc(4 * MIB + 5, 1))
    readFileSync(path)
    expect(residentBytes(path)).toBe(4 * MIB + 4096)
    const fd = openSync(path, 'r')
    evictFile(fd)
    closeSync(fd)
    expect(residentBytes(path)).toBe(0)
  })

  it('has nothing of an empty file', () => {
    const path = join(folder, 'empty')
    writeFileSync(path, '')
    expect(residentBytes(path)).toBe(0)
  })

  it('of a file that is not there is an error', () => {
    expect(() => residentBytes(join(folder, 'none'))).toThrow(/none: ENOENT/)
    expect(() => residentBytes(folder)).toThrow(/mmap: found ENODEV/)
  })
})
