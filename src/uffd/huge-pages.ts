/**
 * The pools of huge pages: /sys/kernel/mm/hugepages (Linux Documentation/admin-guide/mm/hugetlbpage.rst). Asked before a
 * mapping is made, so that a pool that is too small is one clear line and not ENOMEM, or SIGBUS at the first touch.
 */
import { readFileSync } from 'node:fs'
import { LazyRestoreError } from '../core/error.ts'
import { formatBytes, KIB } from '../core/units.ts'

const POOLS = '/sys/kernel/mm/hugepages'

export interface HugePagePool {
  readonly pageSize: number
  /** Pages that exist. */
  readonly total: number
  /** Pages that a new mapping can have: neither in use nor promised to another one. */
  readonly available: number
}

/** Null when this kernel or CPU has no huge pages of that size. */
export function hugePagePool(pageSize: number): HugePagePool | null {
  const total = readCounter(pageSize, 'nr_hugepages')
  if (total === null) return null
  const counter = (name: string) => readCounter(pageSize, name) ?? 0
  // Surplus pages are made on demand, up to the limit.
  const surplus = Math.max(0, counter('nr_overcommit_hugepages') - counter('surplus_hugepages'))
  return { pageSize, total, available: counter('free_hugepages') - counter('resv_hugepages') + surplus }
}

/** Why a mapping of that many huge pages cannot be had, and what to do about it; null when it can. */
export function hugePageReason(pageSize: number, pages: number): string | null {
  const pool = hugePagePool(pageSize)
  return pool === null ? `hugetlb: this host has no huge pages of ${formatBytes(pageSize)}` : shortage(pool, pages)
}

/** The same for a pool that was looked at. */
export function shortage({ pageSize, total, available }: HugePagePool, pages: number): string | null {
  if (available >= pages) return null
  const command = `echo ${total + pages - available} > ${poolFile(pageSize, 'nr_hugepages')}`
  return `hugetlb: found ${available} free pages of ${formatBytes(pageSize)}, expected ${pages}; run as root: ${command}`
}

function poolFile(pageSize: number, name: string): string {
  return `${POOLS}/hugepages-${pageSize / KIB}kB/${name}`
}

function readCounter(pageSize: number, name: string): number | null {
  const path = poolFile(pageSize, name)
  try {
    return Number(readFileSync(path, 'latin1'))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new LazyRestoreError('io', `${path}: ${(cause as Error).message}`, { cause })
  }
}
