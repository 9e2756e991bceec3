/** `snapshot convert`, `flatten` and `stack`, end to end. */
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MIB } from '../../src/core/units.ts'
import { hashBlock } from '../../src/snapshot/load.ts'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import { PAGE, pageOf, sparseFile } from '../snapshot/formats/support.ts'
import { runCli } from './run-cli.ts'

let folder: string
const at = (name: string) => join(folder, name)
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lazyrestore-convert-'))
  await sparseFile(at('a.mem'), 2 * MIB, [
    [0, pageOf(1)],
    [5 * PAGE, pageOf(0)],
    [9 * PAGE, pageOf(9)],
  ])
  await sparseFile(at('b.mem'), 2 * MIB, [
    [0, pageOf(1)],
    [9 * PAGE, pageOf(4)],
  ])
})
afterAll(() => rm(folder, { recursive: true }))

async function hashOf(name: string): Promise<string> {
  const snapshot = await openSnapshot(name)
  const { sha256 } = await hashBlock(snapshot, snapshot.blocks[0])
  await snapshot.close()
  return sha256
}

async function run(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runCli('snapshot', ...args)
  expect(stderr).toBe('')
  expect(exitCode).toBe(0)
  return stdout
}

test('a memory file becomes mapped-ram, without its zeros, and a memory file again', async () => {
  const said = await run('convert', at('a.mem'), '--to', 'mapped-ram', '--find-zeros', '-o', at('a.mig'))
  expect(said).toMatch(/a\.mig: mapped-ram, .*, of which .* on disk\n$/)
  await run('convert', at('a.mig'), '--to', 'firecracker', '-o', at('back.mem'))
  const snapshot = await openSnapshot(at('back.mem'))
  expect(snapshot).toMatchObject({ format: 'firecracker', blocks: [{ setBits: 2, usedLength: 2 * MIB }] })
  await snapshot.close()
  expect(await hashOf(at('back.mem'))).toBe(await hashOf(at('a.mem')))
})

test('a diff over a base, stacked on it and flattened, is the memory again', async () => {
  await run('convert', at('b.mem'), '--to', 'firecracker-diff', '--base', at('a.mem'), '-o', at('b.diff'))
  expect((await stat(at('b.diff'))).size).toBe(2 * MIB)
  await run('stack', `firecracker:${at('a.mem')}`, at('b.diff'), '-o', at('b.layers'))
  expect(await readFile(at('b.layers'), 'utf8')).toBe('lazyrestore layers 1\nfirecracker:a.mem\nb.diff\n')
  expect(await hashOf(at('b.layers'))).toBe(await hashOf(at('b.mem')))
  await run('flatten', at('b.layers'), '-o', at('flat.raw'))
  expect(await hashOf(at('flat.raw'))).toBe(await hashOf(at('b.mem')))
})

test.each([
  [['convert', 'a.mem', '--to', 'raw', '-o', 'a.mem'], /found .*a\.mem, which is read, expected another file/],
  [['convert', 'a.mem', '--to', 'firecracker-diff', '-o', 'x'], /--base: found none, expected one with --to fire/],
  [['convert', 'a.mem', '--to', 'raw', '--block', 'rom', '-o', 'x'], /--block: found "rom", expected one of ram@0x0/],
  [['flatten', 'a.mem', '-o', 'x'], /found a snapshot without layers, expected a chain; use snapshot convert/],
  [['stack', 'a.mem', 'b.mem', '-o', 'no/folder'], /^lazyrestore: no\/folder: cannot write: ENOENT[^\n]*\n$/],
  [['stack', 'a.mem', 'none', '-o', 'x'], /0x1b: layer: found none, expected a file that is there/],
])('%j is refused, and leaves nothing', async (args, message) => {
  const paths = args.map(arg => (['a.mem', 'x', 'none'].includes(arg) ? at(arg) : arg))
  const { exitCode, stderr } = await runCli('snapshot', ...paths)
  expect(exitCode).not.toBe(0)
  expect(stderr).toMatch(message)
  await expect(stat(at('x'))).rejects.toThrow('ENOENT')
})

test('a list that cannot be opened does not take the place of an older one, and is named as it would be', async () => {
  await mkdir(at('lists'))
  await writeFile(at('lists/old'), 'as it was')
  const { exitCode, stderr } = await runCli('snapshot', 'stack', at('a.mem'), at('none'), '-o', at('lists/old'))
  expect(exitCode).toBe(1)
  expect(stderr.startsWith(`lazyrestore: ${at('lists/old')}: 0x`)).toBe(true)
  expect(await readdir(at('lists'))).toEqual(['old'])
  expect(await readFile(at('lists/old'), 'utf8')).toBe('as it was')
})

test('a list behind a link can be opened by both of its names', async () => {
  await mkdir(at('far'))
  await symlink('far/list', at('near'))
  await sparseFile(at('one.diff'), 2 * MIB, [[PAGE, pageOf(7)]])
  await run('stack', at('a.mem'), at('one.diff'), '-o', at('near'))
  expect((await lstat(at('near'))).isSymbolicLink()).toBe(true)
  expect(await hashOf(at('near'))).toBe(await hashOf(at('far/list')))
})
