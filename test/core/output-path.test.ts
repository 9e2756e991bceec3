import { execFileSync } from 'node:child_process'
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { outputPath } from '../../src/core/output-path.ts'
import { replaceFile } from '../../src/snapshot/file-sink.ts'

let folder: string
const at = (name: string) => join(folder, name)
const server = createServer()

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lazyrestore-output-'))
  mkdirSync(at('folder'))
  execFileSync('mkfifo', [at('pipe')])
  await new Promise<void>(listening => server.listen(at('socket'), listening))
  symlinkSync('pipe', at('to-pipe'))
  writeFileSync(at('folder/file'), 'old')
  symlinkSync('folder/file', at('to-file'))
  symlinkSync('folder/new', at('to-nothing'))
  symlinkSync('circle', at('circle'))
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true })
})

const write = (path: string) => replaceFile(path, sink => sink.write(0, Buffer.from('new')))

describe('a file that is renamed to its name', () => {
  it.each([
    ['folder', 'directory'],
    ['pipe', 'pipe'],
    ['to-pipe', 'pipe'],
    ['socket', 'socket'],
  ])('does not take the place of %s', async (name, kind) => {
    const before = lstatSync(at(name)).ino
    const message = `${at(name)}: found a ${kind}, expected a file to write`
    await expect(write(at(name))).rejects.toMatchObject({ code: 'io', message })
    expect(lstatSync(at(name)).ino).toBe(before)
  })

  it('does not go where a device is', async () => {
    // Only asked for: what is written there would take the place of the host's own.
    await expect(outputPath('/dev/zero')).rejects.toThrow('/dev/zero: found a device, expected a file to write')
  })

  it.each([
    ['to-file', 'folder/file'],
    ['to-nothing', 'folder/new'],
  ])('is what %s points to, which stays a link', async (name, target) => {
    await write(at(name))
    expect(lstatSync(at(name)).isSymbolicLink()).toBe(true)
    expect(lstatSync(at(target)).isFile()).toBe(true)
    expect(readFileSync(at(target), 'utf8')).toBe('new')
  })

  it('cannot be at the end of a circle of links', async () => {
    await expect(write(at('circle'))).rejects.toMatchObject({
      code: 'io',
      message: expect.stringMatching(/circle: cannot write: ELOOP/),
    })
  })

  it('leaves no other file', () => {
    expect([...readdirSync(folder), ...readdirSync(at('folder'))].filter(name => /partial/.test(name))).toEqual([])
  })
})
