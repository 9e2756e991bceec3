/** The importers by name, in the order in which a file is tried. */
import { criuLog } from './criu-log.ts'
import { e2bJson } from './e2b-json.ts'
import type { Importer } from './importer.ts'
import { kvmPageFault } from './kvm-page-fault.ts'
import { mincore } from './mincore.ts'
import { pageFaultUser } from './page-fault-user.ts'
import { perfTrace } from './perf-trace.ts'
import { qemuLog } from './qemu-log.ts'
import { reapList } from './reap-list.ts'

// biome-ignore lint/suspicious/noExplicitAny: each importer is checked against its own option rules by defineImporter
export const IMPORTERS: readonly Importer<any>[] = [
  perfTrace,
  pageFaultUser,
  kvmPageFault,
  qemuLog,
  criuLog,
  e2bJson,
  reapList,
  mincore,
]
