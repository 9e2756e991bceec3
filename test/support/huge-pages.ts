/** Huge pages for a test: the pool grows by what is needed and shrinks again, whatever others do to it meanwhile. */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll } from 'vitest'
import { KIB } from '../../src/core/units.ts'

/** For a file or a `describe`. Where the pool cannot be changed nothing happens: ask `hugePageReason` in the tests. */
export function reserveHugePages(pageSize: number, pages: number): void {
  const file = `/sys/kernel/mm/hugepages/hugepages-${pageSize / KIB}kB/nr_hugepages`
  let added = 0
  const grow = (count: number): number => {
    try {
      const before = Number(readFileSync(file, 'latin1'))
      writeFileSync(file, String(before + count))
      return Number(readFileSync(file, 'latin1')) - before
    } catch {
      return 0
    }
  }
  beforeAll(() => {
    added = grow(pages)
  })
  afterAll(() => {
    if (added > 0) grow(-added)
  })
}
