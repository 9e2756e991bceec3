/** What policies have in common that map the snapshot's file: the kernel resolves their faults, and limits what can be mapped. */
import { LazyRestoreError } from '../core/error.ts'
import { dataRunCount, type Layout } from '../destination/layout.ts'

/** Linux DEFAULT_MAX_MAP_COUNT. */
const MAX_MAP_COUNT = 65_530

/** @throws LazyRestoreError `mismatch` when the layout cannot be mapped from the file: it needs 4 KiB anonymous pages */
export function checkMappable(layout: Layout, policy: string): void {
  for (const { block, kind, hostPageSize } of layout.blocks) {
    if (kind !== 'anon' || hostPageSize !== 4096) {
      throw new LazyRestoreError(
        'mismatch',
        `policy ${policy}: found block ${block.name} on ${kind} pages of ${hostPageSize} bytes, expected anon pages of 4096: a file mapping has no others`,
      )
    }
    if (block.pageSize !== hostPageSize) {
      throw new LazyRestoreError(
        'mismatch',
        `policy ${policy}: found block ${block.name} with target pages of ${block.pageSize} bytes, expected 4096: a file mapping has no smaller pages`,
      )
    }
  }
  const regions = layout.blocks.length + dataRunCount(layout)
  if (regions > MAX_MAP_COUNT) {
    throw new LazyRestoreError(
      'mismatch',
      `policy ${policy}: found ${regions} regions to map, expected at most ${MAX_MAP_COUNT} (the default of sysctl vm.max_map_count)`,
    )
  }
}
