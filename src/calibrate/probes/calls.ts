/** The probes of calls and faults, and how a thread runs them: on a worker, as the threads of the engine are. */
import type { Samples } from '../estimate.ts'
import { CarrierProbe } from './carrier-probe.ts'
import { FileMapProbe, MapProbe, TouchProbe } from './fault-probes.ts'
import { HugePageProbe, InstalledAccessProbe, InstallProbe, RegisterProbe } from './install-probes.ts'
import { NapProbe } from './nap-probe.ts'
import { ClockProbe, type Probe, runProbes } from './probe.ts'
import { CachedReadProbe, FillProbe } from './read-probes.ts'

export interface ProbeJob {
  /** A file that is in the page cache, and how much of it there is. */
  readonly file: number
  readonly fileBytes: number
  readonly userfaultfd: boolean
  /** There are enough free huge pages of 2 MiB. */
  readonly hugePages: boolean
  readonly budgetMs: number
}

function createProbes({ file, fileBytes, userfaultfd, hugePages }: ProbeJob): Probe[] {
  const probes: Probe[] = [
    new ClockProbe(),
    new CachedReadProbe(file, fileBytes),
    new FillProbe(),
    new NapProbe(),
    new TouchProbe('anon', 'read'),
    new TouchProbe('anon', 'write'),
    new TouchProbe('shmem', 'write'),
    new FileMapProbe(file, fileBytes),
    new MapProbe(file),
  ]
  if (userfaultfd) {
    probes.push(
      new InstallProbe('anon', 'copy'),
      new InstallProbe('anon', 'zeropage'),
      new InstallProbe('shmem', 'copy'),
      new InstallProbe('shmem', 'zeropage'),
      new RegisterProbe(),
      new InstalledAccessProbe(),
      new CarrierProbe(file),
    )
    if (hugePages) probes.push(new HugePageProbe())
  }
  return probes
}

export function measureCalls(job: ProbeJob): Samples {
  return runProbes(createProbes(job), job.budgetMs)
}
