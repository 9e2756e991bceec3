/** How pages of a list go together. */
import type { ExperimentRecord, Page } from 'lazyrestore/client'

export type List = Page<ExperimentRecord>

export function append(before: List | null, page: List): List {
  return { items: [...(before?.items ?? []), ...page.items], next: page.next }
}

/** The newest page anew, and what stands behind it; ids sort by time. All anew if they do not meet. */
export function refresh(before: List | null, page: List): List {
  const last = page.items.at(-1)
  const meets = before?.items.some(({ id }) => id === last?.id) ?? false
  if (before === null || last === undefined || !meets) return page
  return { items: [...page.items, ...before.items.filter(({ id }) => id < last.id)], next: before.next }
}
