/**
 * The folders that snapshots may come from. A path must lie in one of them as it is written, and still when all symbolic
 * links are resolved; nothing is said of what lies elsewhere, not even whether it is there.
 */
import { realpath } from 'node:fs/promises'
import { isAbsolute, relative, resolve, sep } from 'node:path'
import { HttpError } from '../http/errors.ts'
import { rootFolder } from '../root-folder.ts'

export interface RootedFile {
  /** Without symbolic links. */
  readonly path: string
  /** Below its root: what users see. */
  readonly name: string
}

export class SnapshotRoots {
  readonly #roots: readonly string[]

  /** @throws LazyRestoreError `usage` when one of them is not there, or no folder */
  constructor(roots: readonly string[]) {
    this.#roots = roots.map(rootFolder)
  }

  /** @throws HttpError `forbidden` for what lies outside, `not-found` for what is not there */
  async find(written: string): Promise<RootedFile> {
    if (written.includes('\0')) throw new HttpError('invalid', 'path: found a zero byte, expected a path')
    const candidates = this.#roots.map(root => resolve(root, written)).filter(path => this.#nameOf(path) !== null)
    if (candidates.length === 0) throw outside()
    for (const candidate of candidates) {
      const path = await realpath(candidate).catch(() => null)
      if (path === null) continue
      const name = this.#nameOf(path)
      if (name === null) throw outside()
      return { path, name }
    }
    throw new HttpError('not-found', 'path: found no such file under a snapshot root')
  }

  /** The path below its root; null when it lies in none. */
  #nameOf(path: string): string | null {
    for (const root of this.#roots) {
      const name = relative(root, path)
      if (name !== '' && name !== '..' && !name.startsWith(`..${sep}`) && !isAbsolute(name)) return name
    }
    return null
  }
}

function outside(): HttpError {
  return new HttpError('forbidden', 'path: found it outside of the snapshot roots, expected a file under one of them')
}
