/** What a command reads, it does not write over, by whichever option and under whatever name. */
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MIB } from '../../src/core/units.ts'
import { PAGE, pageOf, sparseFile } from '../snapshot/formats/support.ts'
import { writeProfile } from './profile-file.ts'
import { runCli } from './run-cli.ts'

/** The files that are read, and another name of the snapshot. */
const FILES = ['vm.mem', 'vm.diff', 'vm.layers', 'vm.lrtrace', 'vm.lrws', 'host.json', 'other-name']
let folder: string
const at = (name: string) => join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lazyrestore-overwrite-'))
  await sparseFile(at('vm.mem'), MIB, [[0, pageOf(1)]])
  await sparseFile(at('vm.diff'), MIB, [[PAGE, pageOf(2)]])
  await writeFile(at('vm.layers'), 'lazyrestore layers 1\nfirecracker:vm.mem\nvm.diff\n')
  await symlink('vm.mem', at('other-name'))
  await runCli('trace', 'generate', at('vm.mem'), '-o', at('vm.lrtrace'))
  await runCli('workingset', 'build', at('vm.mem'), at('vm.lrtrace'), '-o', at('vm.lrws'))
  writeProfile(at('host.json'), true)
})
afterAll(() => rm(folder, { recursive: true }))

const COMPARE = ['compare', 'vm.mem', '--policies', 'lazy']
const SPELLED = 'firecracker:@vm.mem,arch=x86_64'

test.each<[args: string[], option: string, output: string]>([
  [['inspect', 'vm.mem'], '--map', 'other-name'],
  [['inspect', 'vm.layers'], '--map', 'vm.diff'],
  [[...COMPARE], '--report', 'vm.mem'],
  [[...COMPARE], '--perfetto', 'vm.mem'],
  [['compare', SPELLED, '--policies', 'lazy'], '--hdr', 'vm.mem'],
  [['compare', 'vm.layers', '--policies', 'lazy'], '--perfetto', 'vm.mem'],
  [[...COMPARE, '--workload', 'vm.lrtrace'], '--perfetto', 'vm.lrtrace'],
  [[...COMPARE, '--recording', 'vm.lrtrace'], '--report', 'vm.lrtrace'],
  [[...COMPARE, '--working-set', 'vm.lrws'], '--perfetto', 'vm.lrws'],
  [[...COMPARE, '--profile', 'host.json'], '--perfetto', 'host.json'],
  [['trace', 'generate', 'vm.mem'], '--output', 'vm.mem'],
  [['trace', 'generate', SPELLED, '--workload', 'vm.lrtrace'], '--output', 'vm.lrtrace'],
  [['trace', 'transform', 'vm.lrtrace', '--to', SPELLED], '--output', 'vm.mem'],
  [['workingset', 'build', SPELLED, 'vm.lrtrace'], '--output', 'vm.mem'],
  [['snapshot', 'make', SPELLED], '--output', 'vm.mem'],
  [['snapshot', 'make', 'vm.layers'], '--output', 'vm.layers'],
  [['snapshot', 'flatten', 'vm.layers'], '--output', 'vm.diff'],
  [['snapshot', 'convert', 'vm.layers', '--to', 'firecracker-diff', '--base', SPELLED], '--output', 'vm.mem'],
  [['snapshot', 'stack', SPELLED, 'vm.diff'], '--output', 'vm.mem'],
  [['snapshot', 'stack', 'vm.mem', 'vm.diff'], '--output', 'vm.diff'],
  [['qemu', 'vm.mem', '--socket', 'none'], '--record', 'vm.mem'],
])('%j %s is no place for what is written', async (args, option, output) => {
  const before = await Promise.all(FILES.map(name => readFile(at(name))))
  const paths = args.map(arg => (FILES.includes(arg) ? at(arg) : arg.replace('@', `${folder}/`)))
  const { exitCode, stderr } = await runCli(...paths, option, at(output))
  expect(stderr).toBe(`lazyrestore: ${option}: found ${at(output)}, which is read, expected another file\n`)
  expect(exitCode).toBe(2)
  const after = await Promise.all(FILES.map(name => readFile(at(name))))
  expect(after.map((bytes, i) => bytes.equals(before[i]))).toEqual(FILES.map(() => true))
})
