/**
 * Uploaded traces: a file each in the data directory, and a record. An upload goes to a file of another name, is read and
 * checked there, and is renamed before its record is written; what a crash leaves without a record goes at the next start.
 */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { endedEarly } from '../http/body.ts'
import { HttpError } from '../http/errors.ts'
import { createId } from '../ids.ts'
import type { WorkloadSource } from '../jobs/job.ts'
import type { JobPool } from '../jobs/pool.ts'
import type { Limits } from '../limits.ts'
import type { PageQuery } from '../schemas/common.ts'
import type { TraceQuery, TraceRecord } from '../schemas/traces.ts'
import { type ListPage, pageOfRecords } from '../store/paging.ts'
import type { Store } from '../store/store.ts'

const KIND = 'trace'
const INCOMING = '.incoming'
const PREFIX = 'trc_'
const MAX_UPLOADS = 8
const RETRY_AFTER_S = 5
/** What a stream reports when its sender went away; a file reports neither. */
const CUT_CODES = ['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE']

export class TraceRegistry {
  readonly #store: Store
  readonly #pool: JobPool
  readonly #folder: string
  readonly #limits: Limits
  #uploads = 0

  private constructor(store: Store, pool: JobPool, folder: string, limits: Limits) {
    this.#store = store
    this.#pool = pool
    this.#folder = folder
    this.#limits = limits
  }

  static async open(store: Store, pool: JobPool, folder: string, limits: Limits): Promise<TraceRegistry> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const file of await readdir(folder)) {
      if (!store.has([KIND, file])) await rm(join(folder, file), { force: true })
    }
    return new TraceRegistry(store, pool, folder, limits)
  }

  /** @throws HttpError `too-large`, `full`, `invalid` for one that is cut; LazyRestoreError for what is no trace */
  async upload(content: Readable, { name }: TraceQuery): Promise<TraceRecord> {
    if (this.#uploads >= MAX_UPLOADS) {
      throw new HttpError('busy', `found ${MAX_UPLOADS} uploads under way`, { retryAfterS: RETRY_AFTER_S })
    }
    this.#uploads++
    const id = createId('trc')
    const incoming = join(this.#folder, `${id}${INCOMING}`)
    try {
      const { bytes, sha256 } = await receive(content, incoming, this.#limits.traceBytes)
      const facts = await this.#pool.run<'trace'>({ kind: 'trace', path: incoming, name: 'trace' })
      const record: TraceRecord = {
        id,
        ...facts,
        name: name ?? facts.name,
        bytes,
        sha256,
        createdAt: new Date().toISOString(),
      }
      await rename(incoming, join(this.#folder, id))
      await this.#store.commit({ put: [[[KIND, id], record]] }).catch(async error => {
        await rm(join(this.#folder, id), { force: true })
        throw error
      })
      return record
    } finally {
      this.#uploads--
      await rm(incoming, { force: true })
    }
  }

  get(id: string): TraceRecord {
    const record = this.#store.get<TraceRecord>([KIND, id])
    if (record === null) throw new HttpError('not-found', 'trace: found none of this id')
    return record
  }

  list(query: PageQuery): ListPage<TraceRecord> {
    return pageOfRecords<TraceRecord, TraceRecord>(this.#store, KIND, query, record => record)
  }

  async remove(id: string): Promise<void> {
    this.get(id)
    await this.#store.commit({ remove: [[KIND, id]] })
    await rm(join(this.#folder, id), { force: true })
  }

  /** What a request means by the name of a workload: the id of a trace, or a generated one. */
  resolve(name: string): WorkloadSource {
    if (!name.startsWith(PREFIX)) return { kind: 'generated', spec: name }
    return { kind: 'trace', path: join(this.#folder, this.get(name).id), name: this.get(name).name }
  }
}

async function receive(content: Readable, file: string, limit: number): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      hash.update(chunk)
      if (bytes > limit)
        done(new HttpError('too-large', `trace: found more than ${limit} bytes, expected at most that`))
      else done(null, chunk)
    },
  })
  const target = createWriteStream(file, { flags: 'wx', mode: 0o600, flush: true })
  await pipeline(content, counter, target).catch((error: NodeJS.ErrnoException) => {
    throw CUT_CODES.includes(error.code ?? '') ? endedEarly() : error
  })
  return { bytes, sha256: hash.digest('hex') }
}
