/**
 * Opens whatever SNAPSHOT names: `synthetic:…`; a file or folder, known by its content; or `FORMAT:PATH[,key=value]`, for
 * what the content does not tell.
 */
import { LazyRestoreError } from '../core/error.ts'
import { resolveOptions } from '../core/spec-string.ts'
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
  const { subject, close } = await openSubject(path, roots)
  try {
    const snapshot =
      reader === null ? await readByContent(subject, readOptions) : await readAs(reader, subject, written, readOptions)
    return { ...snapshot, name: nameOrPath, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function readByContent(subject: Subject, options: ReadOptions): Promise<Snapshot> {
  if (options.streamOffset !== undefined) return qemuReader.read(subject, options)
  for (const reader of SNAPSHOT_READERS) {
    if (await reader.recognises(subject)) return readAs(reader, subject, {}, options)
  }
  if (subject.file !== null) return qemuReader.read(subject, options)
  throw new LazyRestoreError('io', `${subject.path}: found a directory, expected a snapshot file, or one of ${FOLDERS}`)
}

const FOLDERS = 'CRIU (with an inventory.img) or Cloud Hypervisor (with a state.json)'

function readAs(
  reader: SnapshotReader,
  subject: Subject,
  written: Readonly<Record<string, string>>,
  options: ReadOptions,
): Promise<Snapshot> {
  const spec = { name: reader.format, options: written, positional: subject.path }
  // The stream's own options are not texts.
  return reader.read(subject, { ...options, ...resolveOptions(spec, reader.options) })
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
