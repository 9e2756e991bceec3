/** The store: all of a change or nothing, in order, of one server, on a disk that may be full. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LazyRestoreError } from 'lazyrestore'
import { Packr } from 'msgpackr'
import { describe, expect, it, onTestFinished } from 'vitest'
import { decodeRecord, encodeRecord } from '../../server/store/record-codec.ts'
import { type RecordKey, Store } from '../../server/store/store.ts'
import { requireOrSkip } from '../support/availability.ts'
import { mountSmallDisk } from './small-disk.ts'
import { temporaryFolder } from './temporary-folder.ts'

function openStore(folder: string): Store {
  const store = Store.open(folder)
  onTestFinished(() => store.close())
  return store
}

describe('store', () => {
  it('has after a restart what was committed, typed arrays and all', async () => {
    const folder = temporaryFolder()
    const value = { text: 'ü', list: [1, null, 2.5], bytes: new Uint32Array([1, 2 ** 32 - 1]) }
    const first = Store.open(folder)
    await first.commit({
      put: [
        [['a', 'x', 1], value],
        [['a', 'x', 2], 7],
      ],
      remove: [['never']],
    })
    await first.close()
    const second = openStore(folder)
    expect(second.get(['a', 'x', 1])).toEqual(value)
    expect(second.get(['a', 'x', 2])).toBe(7)
    expect(second.get(['a', 'x', 3])).toBe(null)
  })

  it('lists by prefix, in order, both ways, from any place', async () => {
    const store = openStore(temporaryFolder())
    const keys: RecordKey[] = [
      ['c', 'a', 2],
      ['c', 'a', 10],
      ['c', 'b', 1],
      ['c', 'a', 9],
      ['d', 'a', 0],
    ]
    await store.commit({ put: keys.map(key => [key, key[2]]) })
    const values = (...list: Parameters<Store['list']>) => [...store.list(...list)].map(([, value]) => value)
    expect(values(['c', 'a'])).toEqual([2, 9, 10])
    expect(values(['c', 'a'], { reverse: true })).toEqual([10, 9, 2])
    expect(values(['c', 'a'], { after: ['c', 'a', 2], limit: 1 })).toEqual([9])
    expect(values(['c', 'a'], { after: ['c', 'a', 10], reverse: true, limit: 1 })).toEqual([9])
    expect(values(['c'])).toEqual([2, 9, 10, 1])
    expect(store.count(['c', 'a'])).toBe(3)
    expect([...store.keys(['c', 'a'], 2)]).toEqual([
      ['c', 'a', 2],
      ['c', 'a', 9],
    ])
  })

  it('is used by one server at a time; a lock of one that is gone does not count', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'server.lock'), `${process.ppid} 1\n`)
    openStore(folder)
    const child = `import { Store } from './dist/server/store/store.js'; Store.open(${JSON.stringify(folder)})`
    expect(() => execFileSync(process.execPath, ['--input-type=module', '-e', child], { stdio: 'pipe' })).toThrow(
      /found process \d+ using it/,
    )
  })

  it('brings records of an older version up to date', () => {
    const packr = new Packr({ useRecords: false, moreTypes: true })
    const log = { length: 0, page: new Uint32Array(0), thinkNs: new Uint32Array(0), ended: [] }
    expect(decodeRecord(packr.pack([1, log]))).toEqual({ ...log, earlier: [] })
    expect(decodeRecord(packr.pack([1, { id: 'x' }]))).toEqual({ id: 'x' })
  })

  it('refuses records of a newer version, and what is no record', () => {
    expect(decodeRecord(encodeRecord([1]))).toEqual([1])
    const packr = new Packr({ useRecords: false })
    expect(() => decodeRecord(packr.pack([3, 'x']))).toThrow(LazyRestoreError)
    for (const value of [3, [1], ['1', 2], [0, 1], null])
      expect(() => decodeRecord(packr.pack(value))).toThrow(/no record/)
  })

  it('finds a full disk before it writes, keeps what it has, and goes on when there is room', async context => {
    const folder = temporaryFolder()
    requireOrSkip(context, mountSmallDisk(folder, '16m'))
    const store = openStore(folder)
    const fill = async (kind: string): Promise<number> => {
      for (let i = 0; ; i++) {
        try {
          await store.commit({ put: [[[kind, i], Buffer.alloc(50_000, i)]] })
        } catch (error) {
          expect(error).toMatchObject({ code: 'full' })
          return i
        }
      }
    }
    const first = await fill('a')
    expect(first).toBeGreaterThan(50)
    await expect(store.commit({ put: [[['b'], Buffer.alloc(10_000_000)]] })).rejects.toMatchObject({ code: 'full' })
    for (let i = 0; i < first; i++) expect(store.get<Buffer>(['a', i])![0]).toBe(i % 256)
    await store.commit({ remove: Array.from({ length: first }, (_, i) => ['a', i]) })
    expect(await fill('c')).toBeGreaterThan(first / 2)
    expect(await fill('d')).toBe(0)
  })
})
