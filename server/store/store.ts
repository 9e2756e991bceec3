/**
 * What outlives the server: records by key in an LMDB file. A change is a set of records to put and keys to remove; it
 * happens as a whole or not at all, and is on the disk when `commit` returns. Changes that come while others are being
 * written go together into the next transaction, so that many small ones do not each wait for the disk.
 */
import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { DirectoryLock } from './directory-lock.ts'
import { decodeRecord, encodeRecord } from './record-codec.ts'
import { SpaceReserve } from './space-reserve.ts'

/** A kind of record, then what tells it from others of its kind. Sorts by its parts. */
export type RecordKey = [kind: string, ...parts: (string | number)[]]

export interface Change {
  readonly put?: readonly (readonly [RecordKey, unknown])[]
  /** Records that `encodeRecord` has made into bytes elsewhere. */
  readonly putEncoded?: readonly (readonly [RecordKey, Uint8Array])[]
  readonly remove?: readonly RecordKey[]
}

export interface ListOptions {
  /** Leaves out keys up to and with this one, in the order of the list. */
  readonly after?: RecordKey
  readonly limit?: number
  /** The last keys first. */
  readonly reverse?: boolean
}

interface Pending {
  readonly puts: readonly (readonly [RecordKey, Uint8Array])[]
  readonly removes: readonly RecordKey[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Changes in one transaction; the rest takes the next one. */
const MAX_GROUP = 256

export class Store {
  readonly #lock: DirectoryLock
  readonly #db: RootDatabase<Buffer, RecordKey>
  readonly #reserve: SpaceReserve
  #pending: Pending[] = []
  #writing: Promise<void> | null = null

  private constructor(lock: DirectoryLock, db: RootDatabase<Buffer, RecordKey>, file: string) {
    this.#lock = lock
    this.#db = db
    this.#reserve = new SpaceReserve(file, () => db.getStats() as never)
  }

  /** @throws LazyRestoreError `io` when the directory cannot be used, or another process uses it */
  static open(directory: string): Store {
    const lock = DirectoryLock.take(directory)
    const file = join(directory, 'store.mdb')
    try {
      const db = open<Buffer, RecordKey>({ path: file, encoding: 'binary', compression: false, cache: false })
      return new Store(lock, db, file)
    } catch (error) {
      lock.release()
      throw error
    }
  }

  get<T>(key: RecordKey): T | null {
    const bytes = this.#db.get(key)
    return bytes === undefined ? null : (decodeRecord(bytes) as T)
  }

  has(key: RecordKey): boolean {
    return this.#db.doesExist(key)
  }

  /** Records whose key starts with `prefix`. */
  *list<T>(prefix: RecordKey, { after, limit, reverse = false }: ListOptions = {}): Generator<[RecordKey, T]> {
    const low = reverse ? prefix : (after ?? prefix)
    const high = reverse ? (after ?? pastPrefix(prefix)) : pastPrefix(prefix)
    const [start, end] = reverse ? [high, low] : [low, high]
    let left = limit ?? Number.POSITIVE_INFINITY
    for (const { key, value } of this.#db.getRange({ start, end, reverse, exclusiveStart: true, snapshot: false })) {
      if (left-- === 0) return
      yield [key, decodeRecord(value) as T]
    }
  }

  /** The first keys that start with `prefix`. */
  keys(prefix: RecordKey, limit: number): Iterable<RecordKey> {
    return this.#db.getKeys({ start: prefix, end: pastPrefix(prefix), limit })
  }

  /** Number of records whose key starts with `prefix`. */
  count(prefix: RecordKey): number {
    return this.#db.getKeysCount({ start: prefix, end: pastPrefix(prefix) })
  }

  /** Bytes of the file that hold records. */
  get byteLength(): number {
    return this.#reserve.usedBytes
  }

  /** @throws HttpError `full` when the disk has no space for it; nothing of it is written then */
  commit({ put = [], putEncoded = [], remove = [] }: Change): Promise<void> {
    return new Promise((resolve, reject) => {
      const puts = put.map(([key, value]) => [key, encodeRecord(value)] as const)
      this.#pending.push({ puts: [...puts, ...putEncoded], removes: remove, resolve, reject })
      this.#writing ??= this.#writeAll()
    })
  }

  async #writeAll(): Promise<void> {
    // Whoever commits in the same turn goes along.
    await Promise.resolve()
    while (this.#pending.length > 0) {
      const group = this.#pending.splice(0, MAX_GROUP)
      try {
        await this.#write(group)
        for (const { resolve } of group) resolve()
      } catch (error) {
        if (group.length === 1) group[0].reject(error)
        // One that is too large for the disk must not take the others along.
        else for (const one of group) await this.#write([one]).then(one.resolve, one.reject)
      }
    }
    this.#writing = null
  }

  async #write(group: readonly Pending[]): Promise<void> {
    this.#reserve.makeRoom(group.flatMap(({ puts }) => puts.map(([, bytes]) => bytes.length)))
    const ignore = (): void => {}
    await this.#db.transaction(() => {
      for (const { puts, removes } of group) {
        // The transaction's own promise says how all of them ended.
        for (const key of removes) this.#db.remove(key).catch(ignore)
        for (const [key, bytes] of puts) this.#db.put(key, asBuffer(bytes)).catch(ignore)
      }
    })
    await this.#db.flushed
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    await this.#writing
    await this.#db.close()
    this.#lock.release()
  }
}

/** What came from another thread is a plain array. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The first key behind all that start with `prefix`: numbers and texts sort before what stands here. */
function pastPrefix(prefix: RecordKey): RecordKey {
  return [...prefix, '\uffff']
}
