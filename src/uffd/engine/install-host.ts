/** The host beside userfaultfd: whether a page is mapped, in this process's memory or another's. */
import { closeSync, openSync, readSync } from 'node:fs'
import { libc } from '../native.ts'
import type { InstallHost } from './installer.ts'
import { sleepNs } from './restore-state.ts'

const SMALL_PAGE = 4096
/** An entry of pagemap, proc_pid_pagemap(5): in memory, or swapped out. */
const ENTRY_BYTES = 8
const PRESENT_OR_SWAPPED = 3n << 62n

const sleepMs = (ms: number): void => sleepNs(ms * 1e6)

/** This process's memory. */
export function ownHost(): InstallHost {
  const residency = new Uint8Array(1)
  return {
    isPresent: address => libc().mincore(address, SMALL_PAGE, residency) === 0 && (residency[0] & 1) === 1,
    sleepMs,
  }
}

/** Another process's. Where this one may not look, EEXIST is taken at its word. @param pid 0: not known */
export function foreignHost(pid: number): InstallHost {
  return { isPresent: (address, pageSize) => pageSize === SMALL_PAGE || isMapped(pid, address), sleepMs }
}

function isMapped(pid: number, address: number): boolean {
  const entry = new BigUint64Array(1)
  try {
    const pagemap = openSync(`/proc/${pid}/pagemap`, 'r')
    try {
      const read = readSync(pagemap, entry, 0, ENTRY_BYTES, (address / SMALL_PAGE) * ENTRY_BYTES)
      return read < ENTRY_BYTES || (entry[0] & PRESENT_OR_SWAPPED) !== 0n
    } finally {
      closeSync(pagemap)
    }
  } catch {
    return true
  }
}
