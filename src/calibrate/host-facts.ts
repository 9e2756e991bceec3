/** Facts about the host that a profile was measured on, from /proc and /sys (proc(5), sysfs(5)); no names of machines or people. */
import { readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { arch, availableParallelism, cpus, loadavg, platform, release } from 'node:os'
import { basename } from 'node:path'
import { LazyRestoreError } from '../core/error.ts'
import { KIB } from '../core/units.ts'
import type { HostFacts } from '../sim/host-profile.ts'

export interface FolderFacts {
  readonly fileSystem: string
  /** The block device's name and model; null when there is none. */
  readonly blockDevice: string | null
  /** Its readahead window in 4 KiB pages; null when the kernel does not tell. */
  readonly readaheadPages: number | null
  /** Files live in memory. */
  readonly inMemory: boolean
}

export function hostFacts(folder: FolderFacts, loadBefore: number): HostFacts {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    kernel: `${platform() === 'linux' ? 'Linux' : platform()} ${release()} ${arch()}`,
    node: process.version,
    virtualised: isVirtualised(),
    date: new Date().toISOString(),
    fileSystem: folder.fileSystem,
    blockDevice: folder.blockDevice,
    loadBefore,
    loadAfter: loadavg()[0],
  }
}

/** Whether the CPU says that a hypervisor runs it, on x86; null where it cannot say so. */
function isVirtualised(): boolean | null {
  const flags = /^flags\s*:\s*(.*)$/m.exec(readText('/proc/cpuinfo') ?? '')?.[1]
  return flags === undefined ? null : flags.split(' ').includes('hypervisor')
}

/** @throws LazyRestoreError `io` when there is no such folder */
export function folderFacts(folder: string): FolderFacts {
  try {
    return factsOf(folder)
  } catch (cause) {
    throw new LazyRestoreError('io', `${folder}: ${(cause as Error).message}`, { cause })
  }
}

function factsOf(folder: string): FolderFacts {
  const fileSystem = fileSystemOf(realpathSync(folder), readText('/proc/self/mountinfo') ?? '')
  const { dev } = statSync(folder, { bigint: true })
  const number = `${(dev >> 8n) & 0xfffn}:${(dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)}`
  const readaheadKb = readText(`/sys/class/bdi/${number}/read_ahead_kb`)
  return {
    fileSystem,
    blockDevice: blockDeviceName(number),
    readaheadPages: readaheadKb === null ? null : Math.floor((Number(readaheadKb) * KIB) / 4096),
    inMemory: fileSystem === 'tmpfs' || fileSystem === 'ramfs',
  }
}

/** The type of the file system that a path is on: the one mounted nearest above it, the last one if several are there. */
export function fileSystemOf(path: string, mountinfo: string): string {
  let found = 'unknown'
  let longest = 0
  for (const line of mountinfo.split('\n')) {
    const [mount, source] = line.split(' - ')
    const point = mount.split(' ')[4]?.replaceAll('\\040', ' ')
    if (source === undefined || point === undefined || point.length < longest) continue
    if (path !== point && !path.startsWith(point === '/' ? point : `${point}/`)) continue
    longest = point.length
    found = source.split(' ')[0]
  }
  return found
}

function blockDeviceName(number: string): string | null {
  const path = `/sys/dev/block/${number}`
  try {
    const name = basename(readlinkSync(path))
    const model = readText(`${path}/device/model`) ?? readText(`${path}/../device/model`)
    return model === null ? name : `${name} (${model.trim()})`
  } catch {
    return null
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return null
  }
}
