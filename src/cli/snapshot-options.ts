/** The options of every command that reads a snapshot. Apart from the others, so that `qemu` loads little before it connects. */
import { Option } from 'commander'
import { formatShare, parseCount } from '../core/units.ts'
import { openSnapshot } from '../snapshot/open-snapshot.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { Progress } from './progress.ts'

export const SNAPSHOT_HELP =
  'a snapshot file or folder, FORMAT:PATH where its content does not tell the format, or synthetic:SIZE[,zero=SHARE,runs=PAGES,seed=N]'

export interface SnapshotOptions {
  readonly offset?: string
  readonly findZeros?: boolean
}

export function offsetOption(): Option {
  return new Option('--offset <bytes>', 'where the migration stream starts in the file; found by itself up to 1 MiB')
}

export function findZerosOption(): Option {
  const help = 'read all pages first, and take those that are all zero as zero pages; remembered in FILE.lrzero'
  return new Option('--find-zeros', help)
}

export function hostPageSizeOption(): Option {
  const help = '4K, 64K, 2M or 1G[:anon|shmem|hugetlb], for all blocks or as block=size,…'
  return new Option('--host-page-size <list>', help).default('4K')
}

export async function openForRestore(name: string, { offset, findZeros }: SnapshotOptions): Promise<Snapshot> {
  const snapshot = await openSnapshot(
    name,
    offset === undefined ? {} : { streamOffset: parseCount(offset, '--offset') },
  )
  return findZeros === true ? findZerosOf(snapshot) : snapshot
}

async function findZerosOf(snapshot: Snapshot): Promise<Snapshot> {
  const { findZeros } = await import('../snapshot/zero-cache.ts')
  const progress = new Progress()
  try {
    const onPages = (done: number, total: number) => progress.update(`looking for zeros: ${formatShare(done / total)}`)
    return await findZeros(snapshot, { onPages })
  } catch (error) {
    await snapshot.close()
    throw error
  } finally {
    progress.done()
  }
}
