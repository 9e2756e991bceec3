/** The options of every command that reads a snapshot. Apart from the others, so that `qemu` loads little before it connects. */
import { Option } from 'commander'
import { parseCount } from '../core/units.ts'
import { openSnapshot } from '../snapshot/open-snapshot.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'

export const SNAPSHOT_HELP = 'a snapshot file, or synthetic:SIZE[,zero=SHARE,runs=PAGES,seed=N]'

export interface SnapshotOptions {
  readonly offset?: string
}

export function offsetOption(): Option {
  return new Option('--offset <bytes>', 'where the migration stream starts in the file; found by itself up to 1 MiB')
}

export function hostPageSizeOption(): Option {
  const help = '4K, 64K, 2M or 1G[:anon|shmem|hugetlb], for all blocks or as block=size,…'
  return new Option('--host-page-size <list>', help).default('4K')
}

export async function openForRestore(name: string, { offset }: SnapshotOptions): Promise<Snapshot> {
  return openSnapshot(name, offset === undefined ? {} : { streamOffset: parseCount(offset, '--offset') })
}
