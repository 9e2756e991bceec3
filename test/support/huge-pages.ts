/** Huge pages for a test: the pool grows by what is needed and shrinks again, whatever others do to it meanwhile. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { KIB } from '../../src/core/units.ts'

const LOCK = join(tmpdir(), 'lazyrestore-huge-pages.lock')
/** Who holds it needs some ms; one that is older was left behind. */
const LOCK_LIMIT_MS = 5000

/** Test files run side by side, and what is read and written back must not be another's in between. @returns what ends it */
function lock(): () => void {
  const unlock = () => rmSync(LOCK, { recursive: true, force: true })
  for (const endMs = Date.now() + LOCK_LIMIT_MS; ; ) {
    try {
      mkdirSync(LOCK)
      return unlock
    } catch {
      if (Date.now() > endMs) return unlock
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}

/** For a file or a `describe`. Where the pool cannot be changed nothing happens: ask `hugePageReason` in the tests. */
export function reserveHugePages(pageSize: number, pages: number): void {
  const file = `/sys/kernel/mm/hugepages/hugepages-${pageSize / KIB}kB/nr_hugepages`
  let added = 0
  const grow = (count: number): number => {
    const unlock = lock()
    try {
      const before = Number(readFileSync(file, 'latin1'))
      writeFileSync(file, String(before + count))
      return Number(readFileSync(file, 'latin1')) - before
    } catch {
      return 0
    } finally {
      unlock()
    }
  }
  beforeAll(() => {
    added = grow(pages)
  })
  afterAll(() => {
    if (added > 0) grow(-added)
  })
}
