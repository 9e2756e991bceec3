/**
 * Opens what a job names, and keeps a few of it: cells of one experiment share snapshot, layout and workload. A file is
 * opened again when it has changed. Names and messages show what users know, never where a file lies.
 */
import { realpath, stat } from 'node:fs/promises'
import {
  checkWorkloadFits,
  createLayout,
  createWorkload,
  type DeviceParameters,
  type Layout,
  LazyRestoreError,
  memoryOfSnapshot,
  openSnapshot,
  parseBytes,
  parseHostPages,
  parseSpec,
  parseStorage,
  readTrace,
  type Snapshot,
  type Storage,
  type Workload,
} from 'lazyrestore'
import type { JobLimits, SnapshotSource, WorkloadSource } from './job.ts'
import { RecentlyUsed } from './recently-used.ts'

const SNAPSHOTS = 2
const LAYOUTS = 8
const WORKLOADS = 4
const STORAGES = 16
const DEFAULT_PAGE_BYTES = '4096'

export class Sources {
  readonly #snapshots = new RecentlyUsed<Snapshot>(SNAPSHOTS, snapshot => snapshot.close())
  readonly #layouts = new RecentlyUsed<Layout>(LAYOUTS)
  readonly #workloads = new RecentlyUsed<Workload>(WORKLOADS)
  readonly #storages = new RecentlyUsed<Storage>(STORAGES)

  async snapshot(source: SnapshotSource, limits: JobLimits): Promise<Snapshot> {
    return this.#snapshots.get(await keyOf(source), () => openSource(source, limits))
  }

  async layout(source: SnapshotSource, hostPages: string, limits: JobLimits): Promise<Layout> {
    const snapshot = await this.snapshot(source, limits)
    const key = `${await keyOf(source)} ${hostPages}`
    const layout = await this.#layouts.get(key, async () => createLayout(snapshot, parseHostPages(hostPages)))
    // The snapshot may have been closed and opened again since.
    if (layout.snapshot === snapshot) return layout
    return this.#layouts.replace(key, createLayout(snapshot, parseHostPages(hostPages)))
  }

  /** The same object for the same storage: what the simulator makes of one takes longer than a small restore. */
  storage(text: string, host: DeviceParameters | null): Promise<Storage> {
    return this.#storages.get(`${text} ${JSON.stringify(host)}`, async () => parseStorage(text, host))
  }

  async workload(source: WorkloadSource, snapshot: Snapshot, seed: number, limits: JobLimits): Promise<Workload> {
    const { identity } = snapshot
    const key = source.kind === 'trace' ? `${source.path} ${identity}` : `${source.spec} ${seed} ${identity}`
    return this.#workloads.get(key, () => loadWorkload(source, snapshot, seed, limits))
  }
}

async function loadWorkload(
  source: WorkloadSource,
  snapshot: Snapshot,
  seed: number,
  limits: JobLimits,
): Promise<Workload> {
  const memory = memoryOfSnapshot(snapshot)
  if (source.kind === 'generated') {
    return createWorkload(source.spec, { ...memory, maxAccesses: limits.workloadAccesses }, seed)
  }
  const { identity, name } = snapshot
  const workload = await asKnown(source, () => readTrace(source.path))
  checkWorkloadFits(workload, { name, identity, pageCount: memory.pageCount, pageSize: memory.pageSize })
  return workload
}

async function openSource(source: SnapshotSource, { snapshotPages }: JobLimits): Promise<Snapshot> {
  if (source.kind === 'synthetic') {
    checkPages(source.spec, syntheticPages(source.spec), snapshotPages)
    return openSnapshot(source.spec)
  }
  const { path, name, identity } = source
  // Of a snapshot that names other files, these must lie under the same root.
  const snapshot = await asKnown(source, () => openSnapshot(path, { roots: [rootOf(source)] }))
  try {
    checkPages(
      name,
      snapshot.blocks.reduce((sum, { pageCount }) => sum + pageCount, 0),
      snapshotPages,
    )
    if (identity !== null && snapshot.identity !== identity) {
      throw new LazyRestoreError(
        'mismatch',
        `${name}: found a snapshot of identity ${snapshot.identity}, expected ${identity}: the file has changed since it was registered`,
      )
    }
  } catch (error) {
    await snapshot.close()
    throw error
  }
  return { ...snapshot, name }
}

/** How many pages a spec asks for, before they are made. */
function syntheticPages(spec: string): number {
  const { positional, options } = parseSpec(spec)
  const { page = DEFAULT_PAGE_BYTES } = options
  return parseBytes(positional ?? '', `${spec}: size`) / Math.max(1, parseBytes(page, `${spec}: page`))
}

function checkPages(name: string, pages: number, limit: number): void {
  if (pages <= limit) return
  throw new LazyRestoreError('limit', `${name}: found ${pages} target pages, expected at most ${limit}`)
}

/** Tells a file from what stood in its place before; a link put in its place since is refused. */
async function keyOf(source: SnapshotSource): Promise<string> {
  if (source.kind === 'synthetic') return source.spec
  return asKnown(source, async () => {
    const { path, name } = source
    if ((await realpath(path)) !== path) {
      throw new LazyRestoreError('io', `${name}: found a symbolic link in its place, expected the registered file`)
    }
    const { dev, ino, size, mtimeMs } = await stat(path)
    return `${path} ${dev} ${ino} ${size} ${mtimeMs}`
  })
}

/** The folder that the name is relative to. */
function rootOf({ path, name }: { path: string; name: string }): string {
  return path.endsWith(name) ? path.slice(0, path.length - name.length) : path
}

function asUsersKnow(message: string, file: { path: string; name: string }): string {
  const root = rootOf(file)
  const named = message.replaceAll(file.path, file.name)
  return root.length > 1 ? named.replaceAll(root, '') : named
}

/** Errors of the work name the file, and others under its root, as users know them. */
async function asKnown<T>(file: { path: string; name: string }, work: () => Promise<T>): Promise<T> {
  const { name } = file
  try {
    return await work()
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (cause instanceof LazyRestoreError) throw new LazyRestoreError(cause.code, asUsersKnow(message, file))
    throw new LazyRestoreError('io', `${name}: ${code === 'ENOENT' ? 'no such file' : (code ?? 'cannot be read')}`)
  }
}
