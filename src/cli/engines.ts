/** The engines by name, as `--engine` chooses them, and what a real one needs: a snapshot that is a file, and real storage. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LazyRestoreError } from '../core/error.ts'
import type { Engine } from '../engine/engine.ts'
import type { HostProfile } from '../sim/host-profile.ts'
import { createSimEngine } from '../sim/sim-engine.ts'
import { openSnapshot } from '../snapshot/open-snapshot.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { snapshotPages, writeSnapshot } from '../snapshot/snapshot-writer.ts'
import type { Storage } from '../storage/device.ts'
import { hostStorage } from '../storage/host-storage.ts'
import { loadStorage } from './options.ts'
import type { Progress } from './progress.ts'

const ENGINES = ['sim', 'uffd', 'kvm'] as const
type EngineChoice = (typeof ENGINES)[number]

export const ENGINE_HELP =
  'sim: predict in virtual time; uffd: measure on the userfaultfd of this host, with threads that touch; kvm: the same, with a KVM guest'

export interface EngineOptions {
  readonly engine: string
  readonly storage?: string
  readonly cold?: boolean
  readonly warm?: boolean
  readonly verify?: boolean
}

export interface ChosenEngine {
  readonly engine: Engine
  readonly storage: Storage
  readonly isReal: boolean
  /** Filled while it restores: what a reader of the results must know. */
  readonly notes: readonly string[]
}

/** @throws LazyRestoreError `usage` for an unknown engine, or storage that does not go with it */
export async function chooseEngine(options: EngineOptions, profile: HostProfile): Promise<ChosenEngine> {
  const name = ENGINES.find(engine => engine === options.engine)
  if (name === undefined) {
    throw new LazyRestoreError('usage', `--engine: found "${options.engine}", expected one of ${ENGINES.join(', ')}`)
  }
  const storage = storageText(options, name)
  if (name === 'sim') {
    if (options.verify) throw new LazyRestoreError('usage', '--verify: found it with --engine sim, which has no memory')
    return { engine: createSimEngine(profile), storage: loadStorage(storage, profile), isReal: false, notes: [] }
  }
  const { createKvmEngine, createUffdEngine } = await import('../uffd/engine/kernel-engine.ts')
  const notes: string[] = []
  const create = name === 'uffd' ? createUffdEngine : createKvmEngine
  const onNote = (note: string): void => {
    if (!notes.includes(note)) notes.push(note)
  }
  const engine = create({ verify: options.verify ?? false, onNote })
  return { engine, storage: hostStorage(storage), isReal: true, notes }
}

/** `--cold` and `--warm` are short for the storage's option `cache`. */
function storageText({ storage, cold, warm }: EngineOptions, engine: EngineChoice): string {
  const text = storage ?? (engine === 'sim' ? 'nvme' : 'host')
  if (!cold && !warm) return text
  if ((cold && warm) || text.includes('cache=')) {
    throw new LazyRestoreError('usage', 'found more than one of --cold, --warm and cache= in --storage, expected one')
  }
  return `${text}${text.includes(':') ? ',' : ':'}cache=${cold ? 'cold' : 'warm'}`
}

/**
 * The snapshot as a file: itself, or a synthetic one written to a temporary file, which goes when it is closed.
 * @param folder where the temporary file goes
 */
export async function asFile(snapshot: Snapshot, progress: Progress, folder: string = tmpdir()): Promise<Snapshot> {
  if (snapshot.format !== 'synthetic') return snapshot
  const directory = await mkdtemp(join(folder, 'lazyrestore-'))
  const remove = () => rm(directory, { recursive: true, force: true })
  try {
    const path = join(directory, 'snapshot')
    const fillPages = snapshotPages(snapshot)
    await writeSnapshot(path, {
      format: 'mapped-ram',
      machine: 'synthetic',
      blocks: snapshot.blocks,
      fillPages: (block, page, target) => {
        progress.update(`writing ${snapshot.name} to a file: page ${page} of ${snapshot.blocks[block].pageCount}`)
        return fillPages(block, page, target)
      },
    })
    const file = await openSnapshot(path)
    return {
      ...file,
      name: snapshot.name,
      identity: snapshot.identity,
      close: async () => {
        await file.close()
        await remove()
      },
    }
  } catch (error) {
    await remove()
    throw error
  }
}
