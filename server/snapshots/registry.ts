/** Snapshots by id. A file or spec that is registered twice keeps its id as long as its content is the same. */
import { createHash } from 'node:crypto'
import { HttpError } from '../http/errors.ts'
import { createId } from '../ids.ts'
import type { SnapshotSource } from '../jobs/job.ts'
import type { JobPool } from '../jobs/pool.ts'
import type { PageQuery } from '../schemas/common.ts'
import type { DensityMap, DensityQuery, NewSnapshot, SnapshotRecord } from '../schemas/snapshots.ts'
import { type ListPage, pageOfRecords } from '../store/paging.ts'
import type { RecordKey, Store } from '../store/store.ts'
import type { SnapshotRoots } from './snapshot-root.ts'

interface Stored {
  readonly record: SnapshotRecord
  readonly source: SnapshotSource
}

const KIND = 'snapshot'
const SYNTHETIC = 'synthetic:'
const DEFAULT_CELLS = 1024

export class SnapshotRegistry {
  readonly #store: Store
  readonly #pool: JobPool
  readonly #roots: SnapshotRoots

  constructor(store: Store, pool: JobPool, roots: SnapshotRoots) {
    this.#store = store
    this.#pool = pool
    this.#roots = roots
  }

  /** `isNew` is false when it was registered before. */
  async register(request: NewSnapshot): Promise<{ record: SnapshotRecord; isNew: boolean }> {
    const source: SnapshotSource =
      'path' in request
        ? { kind: 'file', ...(await this.#roots.find(request.path)), identity: null }
        : { kind: 'synthetic', spec: syntheticSpec(request.synthetic) }
    const facts = await this.#pool.run<'inspect'>({ kind: 'inspect', snapshot: source })
    const byContent = contentKey(source, facts.identity)
    const known = this.#store.get<string>(byContent)
    const existing = known === null ? null : this.#find(known)
    if (existing !== null) return { record: existing.record, isNew: false }
    const record = { id: createId('snap'), ...facts, createdAt: new Date().toISOString() }
    const kept = source.kind === 'file' ? { ...source, identity: facts.identity } : source
    await this.#store.commit({
      put: [
        [[KIND, record.id], { record, source: kept }],
        [byContent, record.id],
      ],
    })
    return { record, isNew: true }
  }

  get(id: string): SnapshotRecord {
    return this.#require(id).record
  }

  list(query: PageQuery): ListPage<SnapshotRecord> {
    return pageOfRecords<Stored, SnapshotRecord>(this.#store, KIND, query, ({ record }) => record)
  }

  async remove(id: string): Promise<void> {
    const { record, source } = this.#require(id)
    await this.#store.commit({ remove: [[KIND, id], contentKey(source, record.identity)] })
  }

  density(id: string, { from = 0, count, cells = DEFAULT_CELLS, layout = '4K' }: DensityQuery): Promise<DensityMap> {
    const window = { from, count: count ?? null, cells }
    return this.#pool.run<'density'>({ kind: 'density', snapshot: this.#require(id).source, layout, window })
  }

  /** What a request means by the name of a snapshot: the id of a registered one, or a synthetic one. */
  resolve(name: string): SnapshotSource {
    return name.startsWith(SYNTHETIC) ? { kind: 'synthetic', spec: name } : this.#require(name).source
  }

  #find(id: string): Stored | null {
    return this.#store.get<Stored>([KIND, id])
  }

  #require(id: string): Stored {
    const stored = this.#find(id)
    if (stored === null) throw new HttpError('not-found', 'snapshot: found none of this id')
    return stored
  }
}

function syntheticSpec(text: string): string {
  if (text.startsWith(SYNTHETIC)) return text
  throw new HttpError(
    'usage',
    `synthetic: found no "${SYNTHETIC}" in front, expected one as in synthetic:1GiB,zero=60%`,
  )
}

/** Hashed, as a key must not be as long as a path may be. */
function contentKey(source: SnapshotSource, identity: string): RecordKey {
  const name = source.kind === 'file' ? `file ${source.path}` : source.spec
  return ['snapshot-of', createHash('sha256').update(`${name}\0${identity}`).digest('hex')]
}
