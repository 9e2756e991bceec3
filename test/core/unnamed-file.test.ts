import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createUnnamedFile } from '../../src/core/unnamed-file.ts'
import { requireOrSkip } from '../support/availability.ts'

describe('a file without a name', () => {
  beforeEach(context => requireOrSkip(context, process.platform === 'linux' ? null : 'needs /proc/self/fd of Linux'))

  it('is not in its folder, can be opened by its path while it is open, and not after', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const { handle, path } = await createUnnamedFile(folder)
    await handle.writeFile('what it holds')
    expect(readdirSync(folder)).toEqual([])
    expect(readFileSync(path, 'utf8')).toBe('what it holds')
    await handle.close()
    expect(() => readFileSync(path)).toThrow()
  })

  it('cannot be made where there is no folder, and the message says where', async () => {
    await expect(createUnnamedFile('/no/such/folder')).rejects.toMatchObject({
      code: 'io',
      message: expect.stringMatching(/^\/no\/such\/folder: cannot make a temporary file: ENOENT/),
    })
  })
})
