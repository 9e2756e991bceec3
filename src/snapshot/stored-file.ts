/**
 * The files that a snapshot is made of, as readers see them: on disk, or in memory in tests. A reader opens what its format
 * names, and nothing else; who opened the snapshot closes them all.
 */
import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { LazyRestoreError } from '../core/error.ts'
import type { ByteSource } from './byte-source.ts'
import type { DataRuns } from './file-holes.ts'
import { type FileSource, openFile } from './file-source.ts'

/** A file of a snapshot. Its `name` is its path. */
export interface StoredFile extends ByteSource {
  /** Where it has bytes: the rest are holes, which read as zeros. */
  dataRuns(): DataRuns
}

export interface Folder {
  readonly path: string
  /** The same for two paths to one folder. */
  readonly id: string
  /** Null when there is no such file. @param name relative to the folder, or absolute */
  open(name: string): Promise<StoredFile | null>
  /** What is at a path, a file or a folder. @throws LazyRestoreError `io` when there is nothing */
  subject(name: string): Promise<Subject>
  /** Null when there is no such folder. */
  folder(name: string): Promise<Folder | null>
  /** The names in it, in no order; the first `most` of them. */
  list(most: number): Promise<readonly string[]>
}

/** What a path names: a file, or a folder. */
export interface Subject {
  /** As it was given; how the snapshot is called. */
  readonly path: string
  /** The folder itself, or the one that the file is in. */
  readonly folder: Folder
  /** Null: the path is a folder's. */
  readonly file: StoredFile | null
  /** The file's first bytes, at most {@link HEAD_BYTES}. */
  readonly head: Buffer
}

export const HEAD_BYTES = 4096

/** Everything that was opened, so that it can be closed. */
export interface OpenFiles {
  readonly subject: Subject
  /** What has been opened so far. */
  paths(): string[]
  close(): Promise<void>
}

/**
 * @param roots folders outside of which nothing may be opened, whatever a snapshot says or links to; null: no such limit
 * @throws LazyRestoreError `io`
 */
export async function openSubject(path: string, roots: readonly string[] | null = null): Promise<OpenFiles> {
  const files: FileSource[] = []
  const close = async (): Promise<void> => {
    for (const file of files.splice(0)) await file.close()
  }
  try {
    const disk = { files, roots: roots && (await Promise.all(roots.map(root => realpath(root)))) }
    return { subject: await subjectAt(disk, path), paths: () => files.map(({ name }) => name), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function subjectAt(disk: Disk, path: string): Promise<Subject> {
  const isFolder = await stat(path).then(
    found => found.isDirectory(),
    () => false,
  )
  if (isFolder) return { path, folder: await DiskFolder.at(disk, path), file: null, head: Buffer.alloc(0) }
  const file = await openFile(path)
  disk.files.push(file)
  return { path, folder: await DiskFolder.at(disk, dirname(path)), file, head: await headOf(file) }
}

export async function headOf(file: ByteSource): Promise<Buffer> {
  const head = Buffer.alloc(Math.min(HEAD_BYTES, file.byteLength))
  await file.read(0, head)
  return head
}

/** The part of the path behind its folder; a name as a hint. */
export function fileName({ path }: Subject): string {
  return basename(path)
}

interface Disk {
  readonly files: FileSource[]
  readonly roots: readonly string[] | null
}

class DiskFolder implements Folder {
  readonly path: string
  readonly id: string
  readonly #disk: Disk

  private constructor(disk: Disk, path: string, id: string) {
    this.#disk = disk
    this.path = path
    this.id = id
  }

  static async at(disk: Disk, path: string): Promise<DiskFolder> {
    return new DiskFolder(disk, path, await realpath(path))
  }

  async open(name: string): Promise<StoredFile | null> {
    const path = await this.#resolve(name)
    if (path === null) return null
    const file = await openFile(path, 'a file of a snapshot', true)
    this.#disk.files.push(file)
    return file
  }

  async subject(name: string): Promise<Subject> {
    return subjectAt(this.#disk, (await this.#resolve(name)) ?? this.#pathOf(name))
  }

  async folder(name: string): Promise<Folder | null> {
    const path = await this.#resolve(name)
    if (path === null || !(await stat(path)).isDirectory()) return null
    return DiskFolder.at(this.#disk, path)
  }

  async list(most: number): Promise<readonly string[]> {
    return (await readdir(this.path)).slice(0, most)
  }

  #pathOf(name: string): string {
    return isAbsolute(name) ? name : join(this.path, name)
  }

  /** Null when there is nothing. @throws LazyRestoreError `io` for what lies outside of the roots, there or not */
  async #resolve(name: string): Promise<string | null> {
    if (name.includes('\0')) throw new LazyRestoreError('format', `${this.path}: found a file name with a zero byte`)
    const path = this.#pathOf(name)
    this.#checkRoots(path, resolve(this.id, name))
    const real = await realpath(path).catch(() => null)
    if (real === null) return null
    this.#checkRoots(path, real)
    return path
  }

  #checkRoots(path: string, real: string): void {
    const { roots } = this.#disk
    if (roots === null || roots.some(root => isInside(root, real))) return
    throw new LazyRestoreError('io', `${path}: found it outside of the snapshot roots, expected it under one of them`)
  }
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}
