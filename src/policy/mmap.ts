/**
 * No userfaultfd at all: data is mapped MAP_PRIVATE from the file, zeros are anonymous memory, and the kernel's page cache,
 * its read-around and its fault-around of 16 pages are the mechanism. On a warm local file it beats userfaultfd.
 */

import { checkMappable } from './file-mapping.ts'
import { mapMechanism } from './mechanisms.ts'
import { thatPage } from './plan.ts'
import { definePolicy } from './policy.ts'

export const mmap = definePolicy({
  name: 'mmap',
  summary: "map the file; the kernel's page cache and fault-around do the rest",
  source: 'Linux mm/filemap.c (filemap_fault, filemap_map_pages); Cloud Hypervisor PR 8581 maps so',
  options: {},
  create: (_options, { layout }, name) => {
    checkMappable(layout, name)
    return { name, mechanism: mapMechanism(), onFault: thatPage }
  },
})
