/**
 * No userfaultfd at all: data is mapped MAP_PRIVATE from the file, zeros are anonymous memory, and the kernel's page cache,
 * its read-around and its fault-around of 16 pages are the mechanism. Firecracker's `File` backend does it so; on a warm
 * local file it beats userfaultfd.
 */
import { LazyRestoreError } from '../core/error.ts'
import { dataRunCount } from '../destination/layout.ts'
import { mapMechanism } from './mechanisms.ts'
import { definePolicy } from './policy.ts'

/** Linux DEFAULT_MAX_MAP_COUNT. */
const MAX_MAP_COUNT = 65_530

export const mmap = definePolicy({
  name: 'mmap',
  summary: "map the file; the kernel's page cache and fault-around do the rest",
  source: 'Firecracker mem_backend File; Linux mm/filemap.c (filemap_fault, filemap_map_pages)',
  options: {},
  create: (_options, { layout }, name) => {
    for (const { block, kind, hostPageSize } of layout.blocks) {
      if (kind !== 'anon' || hostPageSize !== 4096) {
        throw new LazyRestoreError(
          'mismatch',
          `policy ${name}: found block ${block.name} on ${kind} pages of ${hostPageSize} bytes, expected anon pages of 4096: a file mapping has no others`,
        )
      }
      if (block.pageSize !== hostPageSize) {
        throw new LazyRestoreError(
          'mismatch',
          `policy ${name}: found block ${block.name} with target pages of ${block.pageSize} bytes, expected 4096: a file mapping has no smaller pages`,
        )
      }
    }
    const regions = layout.blocks.length + dataRunCount(layout)
    if (regions > MAX_MAP_COUNT) {
      throw new LazyRestoreError(
        'mismatch',
        `policy ${name}: found ${regions} regions to map, expected at most ${MAX_MAP_COUNT} (the default of sysctl vm.max_map_count)`,
      )
    }
    return { name, mechanism: mapMechanism(), onFault: (page, plan) => plan.add(page, 1) }
  },
})
