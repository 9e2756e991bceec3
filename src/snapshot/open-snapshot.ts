/**
 * Opens whatever SNAPSHOT names: `synthetic:…`; a file or folder, known by its content; or `FORMAT:PATH[,key=value]`, for
 * what the content does not tell.
 */
import { existsSync } from 'node:fs'
import { LazyRestoreError } from '../core/error.ts'
import { parseSpec, resolveOptions } from '../core/spec-string.ts'
import { qemuReader } from './formats/qemu.ts'
import type { SnapshotReader } from './formats/reader.ts'
import { SNAPSHOT_READERS } from './formats/readers.ts'
import type { ReadOptions } from './qemu-snapshot.ts'
import type { Snapshot } from './snapshot.ts'
import { openSubject, type Subject } from './stored-file.ts'
import { openSynthetic, SYNTHETIC_PREFIX } from './synthetic.ts'

export interface OpenOptions extends ReadOptions {
  /** Folders outside of which no file may be opened, whatever a snapshot says or links to; null or not given: anywhere. */
  readonly roots?: readonly string[] | null
}

/**
 * ```ts
 * const snapshot = await openSnapshot('synthetic:1GiB,zero=60%')
 * console.log(snapshot.blocks[0].setBits)
 * await snapshot.close()
 * ```
 * @throws LazyRestoreError `usage`, `io`, `format`, `unsupported` or `limit`; nothing stays open then.
 */
export async function openSnapshot(nameOrPath: string, options: OpenOptions = {}): Promise<Snapshot> {
  if (nameOrPath.startsWith(SYNTHETIC_PREFIX)) return openSynthetic(nameOrPath)
  const { roots = null, ...readOptions } = options
  const { reader, path, written } = parseName(nameOrPath)
  // With roots, nothing may be asked about what lies outside of them.
  if (path === '' || (roots === null && !existsSync(path))) refuseMisspelt(nameOrPath, reader)
  const { subject, paths, close } = await openSubject(path, roots)
  try {
    const snapshot = await readSubject(subject, { reader, written, options: readOptions, depth: 0 })
    return { ...snapshot, name: nameOrPath, files: paths(), close }
  } catch (error) {
    await close()
    throw error
  }
}

const FOLDERS = 'CRIU (with an inventory.img) or Cloud Hypervisor (with a state.json)'
/** A list of layers names a base, which names nothing further. */
const MAX_DEPTH = 1

interface Reading {
  /** Null: by content. */
  readonly reader: SnapshotReader | null
  readonly written: Readonly<Record<string, string>>
  readonly options: ReadOptions
  /** How many others this one was named by. */
  readonly depth: number
}

async function readSubject(subject: Subject, reading: Reading): Promise<Snapshot> {
  const reader = reading.reader ?? (await readerFor(subject, reading.options))
  const spec = { name: reader.format, options: reading.written, positional: subject.path }
  const openOther = async (name: string): Promise<Snapshot> => {
    const depth = reading.depth + 1
    if (depth > MAX_DEPTH)
      throw new LazyRestoreError(
        'unsupported',
        `${subject.path}: found it below another, expected one that stands alone`,
      )
    const { reader: other, path, written } = parseName(name)
    const snapshot = await readSubject(await subject.folder.subject(path), {
      reader: other,
      written,
      options: {},
      depth,
    })
    return { ...snapshot, name }
  }
  // The stream's own options are not texts.
  return reader.read(subject, { ...reading.options, ...resolveOptions(spec, reader.options) }, openOther)
}

async function readerFor(subject: Subject, options: ReadOptions): Promise<SnapshotReader> {
  if (options.streamOffset !== undefined) return qemuReader
  for (const reader of SNAPSHOT_READERS) if (await reader.recognises(subject)) return reader
  if (subject.file !== null) return qemuReader
  throw new LazyRestoreError('io', `${subject.path}: found a directory, expected a snapshot file, or one of ${FOLDERS}`)
}

interface ParsedName {
  /** Null: by content. */
  readonly reader: SnapshotReader | null
  readonly path: string
  readonly written: Readonly<Record<string, string>>
}

/** Of `FORMAT:PATH,key=value` what stands behind the last comma that no option of the format follows is the path's. */
function parseName(text: string): ParsedName {
  const colon = text.indexOf(':')
  const reader = SNAPSHOT_READERS.find(({ format }) => format === text.slice(0, Math.max(0, colon))) ?? null
  if (reader === null) return { reader, path: text, written: {} }
  const pieces = text.slice(colon + 1).split(',')
  const written: Record<string, string> = {}
  while (pieces.length > 1) {
    const [key, ...value] = pieces[pieces.length - 1].split('=')
    if (value.length === 0 || !Object.hasOwn(reader.options, key) || Object.hasOwn(written, key)) break
    written[key] = value.join('=')
    pieces.pop()
  }
  return { reader, path: pieces.join(','), written }
}

/** Names a format or an option that there is none of; returns where it may well be a path that is missing. */
function refuseMisspelt(text: string, reader: SnapshotReader | null): void {
  const prefix = /^([a-z0-9-]+):/.exec(text)
  const [path, ...options] = (prefix === null ? text : text.slice(prefix[0].length)).split(',')
  if (path === '') {
    const found = text === '' ? 'an empty name' : `"${text}", which has no path`
    throw new LazyRestoreError(
      'usage',
      `snapshot: found ${found}, expected a file, a folder, FORMAT:PATH or synthetic:…`,
    )
  }
  if (!existsSync(path)) return
  if (reader !== null) {
    // What parseName took for the path's is refused as any spec's options are.
    resolveOptions(parseSpec(`${reader.format}:PATH,${options.join(',')}`), reader.options)
  } else if (prefix !== null) {
    const known = SNAPSHOT_READERS.map(({ format }) => format).join(', ')
    throw new LazyRestoreError('usage', `snapshot: found format "${prefix[1]}", expected one of ${known}`)
  } else if (options.length > 0) {
    const option = options[0].split('=')[0]
    throw new LazyRestoreError(
      'usage',
      `snapshot: found option "${option}", expected a format in front, as in raw:${text}`,
    )
  }
}
