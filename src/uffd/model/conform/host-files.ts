/** Files behind the areas of a case on this host, and what this host lacks for a kind of memory. */
import { openSync, statfsSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hugePagePool, hugePageReason } from '../../huge-pages.ts'
import { GIGANTIC_PAGE_SIZE, HUGE_PAGE_SIZE, PAGE_SIZE } from '../numbers.ts'
import type { AreaKind } from './machine.ts'
import * as sys from './system-calls.ts'

const TMPFS_MAGIC = 0x01021994
/** Free huge pages that no case needs more than: the areas, private copies of all of it, and one that COPY reads into. */
export const HUGE_PAGES_NEEDED = 16

/** Why areas of this kind cannot be had on this host; null when they can. */
export function hostLacks(kind: AreaKind): string | null {
  if (kind.startsWith('hugetlb-empty'))
    return emptyHugetlbfs() === null ? 'no hugetlbfs can be mounted; it needs root' : null
  if (kind.startsWith('hugetlb')) return hugePageReason(HUGE_PAGE_SIZE, HUGE_PAGES_NEEDED)
  if (kind.startsWith('gigantic')) {
    return hugePagePool(GIGANTIC_PAGE_SIZE)?.total === 0 ? null : 'this host has no empty pool of 1 GiB pages'
  }
  if (kind.startsWith('file') && statfsSync(tmpdir()).type === TMPFS_MAGIC) {
    return `${tmpdir()} is a tmpfs; TMPDIR has to name a folder on another file system`
  }
  return null
}

/** Of length 0 and without a name. */
export function createAreaFile(kind: AreaKind, name: string, pageSize: number): number {
  if (kind.startsWith('file')) return openUnnamedFile(tmpdir(), name)
  if (kind.startsWith('hugetlb-empty')) return openUnnamedFile(`/proc/self/fd/${emptyHugetlbfs()}`, name)
  return sys.createMemoryFile(pageSize === PAGE_SIZE ? 0 : pageSize)
}

function openUnnamedFile(folder: string, name: string): number {
  const path = join(folder, `lazyrestore-conform-${process.pid}-${name}`)
  const file = openSync(path, 'wx+')
  unlinkSync(path)
  return file
}

/**
 * A mount of hugetlbfs that may have no pages, attached nowhere: what asks it for one finds an empty pool, and nobody
 * else's pool is touched. Null where mounting is not allowed.
 */
function emptyHugetlbfs(): number | null {
  emptyMount ??= sys.mountDetached('hugetlbfs', { pagesize: '2M', size: '0' })
  return emptyMount
}
let emptyMount: number | null = null
