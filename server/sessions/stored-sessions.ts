/** Sessions in the store: what each is made of, and its log, which lies apart from what lists show, as it may be large. */
import type { ReplayLog } from 'lazyrestore'
import { HttpError } from '../http/errors.ts'
import type { PageQuery } from '../schemas/common.ts'
import type { SessionRecord } from '../schemas/sessions.ts'
import { type ListPage, pageOfRecords } from '../store/paging.ts'
import type { RecordKey, Store } from '../store/store.ts'
import type { SessionSpec } from './call.ts'

const KIND = 'session'
const LOG_KIND = 'session-log'

export interface StoredSession {
  readonly record: SessionRecord
  readonly spec: SessionSpec
}

export class StoredSessions {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  get count(): number {
    return this.#store.count([KIND])
  }

  /** @throws HttpError `not-found` */
  get(id: string): StoredSession {
    const stored = this.#store.get<StoredSession>([KIND, id])
    if (stored === null) throw new HttpError('not-found', 'session: found none of this id')
    return stored
  }

  log(id: string): ReplayLog | null {
    return this.#store.get<ReplayLog>([LOG_KIND, id])
  }

  /** The newest first. */
  list(query: PageQuery): ListPage<SessionRecord> {
    return pageOfRecords<StoredSession, SessionRecord>(this.#store, KIND, query, ({ record }) => record)
  }

  put(id: string, stored: StoredSession, log: ReplayLog): Promise<void> {
    const [recordKey, logKey] = keysOf(id)
    return this.#store.commit({
      put: [
        [recordKey, stored],
        [logKey, log],
      ],
    })
  }

  remove(id: string): Promise<void> {
    return this.#store.commit({ remove: keysOf(id) })
  }
}

function keysOf(id: string): [RecordKey, RecordKey] {
  return [
    [KIND, id],
    [LOG_KIND, id],
  ]
}
