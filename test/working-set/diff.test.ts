/** Recordings and working-set files held against each other, by hand. */
import { describe, expect, test } from 'vitest'
import { LazyRestoreError } from '../../src/core/error.ts'
import { comparePages, pagesOfFile, pagesOfRecording } from '../../src/working-set/diff.ts'
import type { Workload } from '../../src/workload/workload.ts'
import { memoryOfBits, opened, written } from './support.ts'

function recording(pages: readonly number[], more: Partial<Workload> = {}): Workload {
  return {
    name: 'run',
    seed: null,
    snapshotIdentity: null,
    pageCount: 100,
    pageSize: 4096,
    vcpus: 1,
    starts: Uint32Array.of(0, pages.length),
    page: Uint32Array.from(pages),
    thinkNs: new Uint32Array(pages.length),
    flags: new Uint8Array(pages.length),
    ...more,
  }
}

const setOf = (pages: readonly number[], more: Partial<Workload> = {}) =>
  pagesOfRecording(recording(pages, more), `pages ${pages}`)

describe('two sets of pages', () => {
  test('are compared page by page, however often each was used', () => {
    expect(comparePages(setOf([1, 2, 3, 99, 1]), setOf([2, 3, 40, 3, 41, 99, 98, 2]))).toEqual({
      listed: 4,
      used: 6,
      both: 3,
      pageSize: 4096,
      jaccard: 3 / 7,
      recall: 3 / 6,
      precision: 3 / 4,
    })
  })

  test('have no shares of nothing', () => {
    expect(comparePages(setOf([]), setOf([]))).toMatchObject({ jaccard: null, recall: null, precision: null })
    expect(comparePages(setOf([]), setOf([1]))).toMatchObject({ jaccard: 0, recall: 0, precision: null })
    expect(comparePages(setOf([1]), setOf([]))).toMatchObject({ jaccard: 0, recall: null, precision: 0 })
  })

  test.each([
    [{ pageCount: 101 }, 'pages 1: pageCount: found 101, expected 100, as pages 2'],
    [{ pageSize: 16_384 }, 'pages 1: pageSize: found 16384, expected 4096, as pages 2'],
    [{ snapshotIdentity: 'x' }, 'pages 1: snapshotIdentity: found x, expected y, as pages 2'],
  ])('are not compared with %j', (more, message) => {
    const list = setOf([2], { snapshotIdentity: 'y' })
    expect(() => comparePages(list, setOf([1], more))).toThrow(new LazyRestoreError('mismatch', message))
  })

  test('may be of a recording that names no snapshot', () => {
    expect(comparePages(setOf([1], { snapshotIdentity: 'y' }), setOf([1])).jaccard).toBe(1)
  })
})

test('the pages of a file are the target pages under its host pages, in the block only', async () => {
  const { layout } = memoryOfBits({ bits: '1'.repeat(10) }, { bits: '1'.repeat(20), hostPageSize: 65_536 })
  // Host page 11 is the second of block 1: a tail of 4 target pages, 26 to 29.
  const file = pagesOfFile(await opened(await written(layout, [11, 3])))
  expect(file).toMatchObject({ pageCount: 30, pageSize: 4096, snapshotIdentity: 'bits' })
  const run = setOf([3, 26, 27, 28, 29], { pageCount: 30 })
  expect(comparePages(file, run)).toMatchObject({ listed: 5, used: 5, both: 5 })
})
