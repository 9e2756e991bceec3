/** Every format that comes in files. The first reader that knows a file's content reads it, so readers with a magic number stand first. */

import { cloudHypervisorReader } from './cloud-hypervisor.ts'
import { criuReader } from './criu/reader.ts'
import { e2bReader } from './e2b.ts'
import { elfCoreReader } from './elf-core.ts'
import { firecrackerReader } from './firecracker.ts'
import { layersReader } from './layers.ts'
import { qemuReader } from './qemu.ts'
import { rawReader } from './raw.ts'
import type { SnapshotReader } from './reader.ts'

export const SNAPSHOT_READERS: readonly SnapshotReader[] = [
  qemuReader,
  elfCoreReader,
  layersReader,
  criuReader,
  cloudHypervisorReader,
  e2bReader,
  firecrackerReader,
  rawReader,
]
