/**
 * The snapshots and traces below some folders, by their content: a sweep names them so, since a path is good on one machine
 * only. Files are looked at again when they have changed.
 */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { beginsAsTrace, LazyRestoreError } from 'lazyrestore'
import { rootFolder } from '../../root-folder.ts'
import { digestOf, snapshotIdentity } from '../plan.ts'

const MAX_FILES = 100_000
const MAX_TRACE_BYTES = 2 ** 30

interface Entry {
  readonly stamp: string
  readonly snapshot: string | null
  /** Digest of a trace; asked for when it is first needed. */
  trace: string | null
}

export class SnapshotIndex {
  readonly #roots: readonly string[]
  readonly #entries = new Map<string, Entry>()

  private constructor(roots: readonly string[]) {
    this.#roots = roots
  }

  /** @throws LazyRestoreError `usage` when a folder is not there, or none */
  static async open(roots: readonly string[]): Promise<SnapshotIndex> {
    const index = new SnapshotIndex(roots.map(rootFolder))
    await index.refresh()
    return index
  }

  get snapshots(): number {
    return [...this.#entries.values()].filter(({ snapshot }) => snapshot !== null).length
  }

  /** Looks at what is new or has changed. */
  async refresh(): Promise<void> {
    const seen = new Set<string>()
    for (const root of this.#roots) {
      for (const file of await filesBelow(root)) {
        if (seen.size === MAX_FILES) {
          throw new LazyRestoreError('limit', `--snapshot-root: found more than ${MAX_FILES} files`)
        }
        seen.add(file)
        await this.#look(file)
      }
    }
    for (const path of [...this.#entries.keys()]) if (!seen.has(path)) this.#entries.delete(path)
  }

  /** Null: there is none. */
  snapshot(identity: string): string | null {
    for (const [path, entry] of this.#entries) if (entry.snapshot === identity) return path
    return null
  }

  /** @param digest SHA-256 of its bytes */
  async trace(digest: string): Promise<string | null> {
    for (const [path, entry] of this.#entries) {
      if (entry.snapshot !== null) continue
      entry.trace ??= await traceDigest(path)
      if (entry.trace === digest) return path
    }
    return null
  }

  async #look(path: string): Promise<void> {
    const { size, mtimeMs, ino } = await stat(path)
    const stamp = `${size} ${mtimeMs} ${ino}`
    if (this.#entries.get(path)?.stamp === stamp) return
    const snapshot = await snapshotIdentity(path).catch(() => null)
    this.#entries.set(path, { stamp, snapshot, trace: null })
  }
}

/** Regular files; links are not followed, so that a folder is looked at once. */
async function filesBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
}

/** Empty for what is no trace. */
async function traceDigest(path: string): Promise<string> {
  const { size } = await stat(path)
  if (size > MAX_TRACE_BYTES || !(await beginsAsTrace(path).catch(() => false))) return ''
  return digestOf(path)
}
