/** Lists of records over HTTP: the newest first, a page at a time. */
import type { PageQuery } from '../schemas/common.ts'
import type { Store } from './store.ts'

export interface ListPage<T> {
  readonly items: T[]
  /** What to pass as `after` for the next page; null: this is the last. */
  readonly next: string | null
}

export const DEFAULT_LIMIT = 100

/** Records whose key is `[kind, id]`. */
export function pageOfRecords<S, T>(
  store: Store,
  kind: string,
  { limit = DEFAULT_LIMIT, after }: PageQuery,
  show: (stored: S) => T,
): ListPage<T> {
  const options = {
    reverse: true,
    limit: limit + 1,
    ...(after === undefined ? {} : { after: [kind, after] as [string, string] }),
  }
  const found = [...store.list<S>([kind], options)]
  const kept = found.slice(0, limit)
  const next = found.length > limit ? String(kept[kept.length - 1][0][1]) : null
  return { items: kept.map(([, stored]) => show(stored)), next }
}
