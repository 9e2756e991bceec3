import { mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { memoryOfSize } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'
import { readTrace, writeTrace } from '../../src/workload/trace-file.ts'
import { hashColumns, refusal } from './support.ts'

const workload = createWorkload('boot-then-idle:pages=500,bursts=3,vcpus=2', memoryOfSize(10_000, 4096), 1)
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lazyrestore-trace-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

describe('a trace file', () => {
  test.each([
    ['a.lrtrace', 0x89],
    ['a', 0x89],
    ['a.ndjson', 0x7b],
    ['a.JSONL', 0x7b],
  ])('is written in the format of its ending, and read by its content: %s', async (name, firstByte) => {
    const path = join(folder, name)
    await writeTrace(path, workload)
    expect((await readFile(path))[0]).toBe(firstByte)
    expect(await readTrace(path)).toEqual(workload)
  })

  test('is of the format asked for, whatever its ending', async () => {
    const path = join(folder, 'b.lrtrace')
    await writeTrace(path, workload, 'ndjson')
    expect((await readFile(path, 'utf8')).startsWith('{"format":"lazyrestore-trace"')).toBe(true)
    expect(await readTrace(path)).toEqual(workload)
  })

  test('holds a million accesses, equal after a round trip', async () => {
    const large = createWorkload('zipf:accesses=1_000_000,vcpus=4', memoryOfSize(2 ** 28, 4096), 1)
    const path = join(folder, 'large.lrtrace')
    await writeTrace(path, large)
    expect(hashColumns(await readTrace(path))).toBe(hashColumns(large))
  })

  test('replaces the one before it as a whole, and leaves nothing else behind', async () => {
    const own = join(folder, 'replace')
    await mkdir(own)
    const path = join(own, 'a.lrtrace')
    await writeFile(path, 'old')
    await writeTrace(path, workload)
    expect(await readTrace(path)).toEqual(workload)
    expect(await readdir(own)).toEqual(['a.lrtrace'])
  })
})

describe('nothing is left behind, and the error is io, when a trace', () => {
  test('cannot be created', async () => {
    const path = join(folder, 'missing', 'a.lrtrace')
    expect(await refusal(() => writeTrace(path, workload))).toMatch(/^io: .*missing.*cannot write: ENOENT/)
  })

  test('cannot take its name', async () => {
    const own = join(folder, 'taken')
    await mkdir(join(own, 'a.lrtrace', 'full'), { recursive: true })
    expect(await refusal(() => writeTrace(join(own, 'a.lrtrace'), workload))).toMatch(
      /^io: .*found a directory, expected a file to write/,
    )
    expect(await readdir(own)).toEqual(['a.lrtrace'])
  })
})

test('a workload that could not be read back is not written', async () => {
  const own = join(folder, 'invalid')
  await mkdir(own)
  const wrong = { ...workload, page: workload.page.map(() => 10_000) }
  expect(await refusal(() => writeTrace(join(own, 'a.lrtrace'), wrong))).toBe(
    'format: workload boot-then-idle:pages=500,bursts=3,vcpus=2: access 0: found page 10000, expected 0..9999',
  )
  expect(await readdir(own)).toEqual([])
})

describe('reading is refused for', () => {
  test('a path that is not there, and one that is no file', async () => {
    expect(await refusal(() => readTrace(join(folder, 'none')))).toMatch(/^io: .*none: no such file/)
    expect(await refusal(() => readTrace(folder))).toMatch(/^io: .*: found a directory, expected /)
    await symlink('/dev/null', join(folder, 'null'))
    expect(await refusal(() => readTrace(join(folder, 'null')))).toMatch(/found a device, pipe or socket, expected /)
  })

  test('an empty file, and one of another format', async () => {
    const path = join(folder, 'other')
    await writeFile(path, '')
    const expected = 'expected 894c52540d0a1a0a of a binary trace or "{" of NDJSON'
    expect(await refusal(() => readTrace(path))).toMatch(/^io: .*other: found an empty file, expected /)
    await writeFile(path, '\x7fELF\x02\x01\x01\x00\x00\x00')
    expect(await refusal(() => readTrace(path))).toBe(`format: ${path}: 0x0: found 7f454c4602010100, ${expected}`)
  })

  test('a file that was cut', async () => {
    const path = join(folder, 'cut.lrtrace')
    await writeTrace(path, workload)
    await truncate(path, 5000)
    expect(await refusal(() => readTrace(path))).toMatch(
      /^format: .*cut\.lrtrace: 0x[0-9a-f]+: found \d+ bytes behind the header, expected at least \d+ for \d+ accesses$/,
    )
  })
})
