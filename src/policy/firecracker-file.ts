/**
 * Firecracker's default, `mem_backend` `File`: the memory file is mapped MAP_PRIVATE and the kernel does the rest; nothing is
 * filled in the background, and nothing is recorded. The same mechanism as `mmap`. Firecracker's file holds zero pages as
 * well, which then come from the file or its holes; here they are anonymous memory, which is cheaper.
 */

import { checkMappable } from './file-mapping.ts'
import { mapMechanism } from './mechanisms.ts'
import { thatPage } from './plan.ts'
import { definePolicy } from './policy.ts'

export const firecrackerFile = definePolicy({
  name: 'firecracker-file',
  summary: "map the file, as Firecracker's backend File",
  source: 'Firecracker src/vmm/src/persist.rs, PUT /snapshot/load with mem_backend File',
  options: {},
  create: (_options, { layout }, name) => {
    checkMappable(layout, name)
    return { name, mechanism: mapMechanism(), onFault: thatPage }
  },
})
