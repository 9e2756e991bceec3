/**
 * The pages of one process, or of one piece of shared memory, through a chain of dumps: what an entry leaves to the parent is
 * looked for there, and so on. A level is read once; entries and what is wanted of them are both sorted, so a chain costs the
 * sum of its entries.
 */
import { LazyRestoreError } from '../../../core/error.ts'
import { formatError } from '../../format-error.ts'
import type { Folder, StoredFile } from '../../stored-file.ts'
import { hexAddress, type Pagemap, readPagemap } from './pagemap.ts'

const PARENT = 'parent'
const MAX_DUMPS = 4096

/** The folders of the dumps, the newest first. */
export async function openChain(folder: Folder): Promise<Folder[]> {
  const chain = [folder]
  const seen = new Set([folder.id])
  for (;;) {
    const last = chain[chain.length - 1]
    const parent = await last.folder(PARENT)
    if (parent === null) return chain
    if (seen.has(parent.id) || chain.length === MAX_DUMPS) {
      const found = seen.has(parent.id) ? 'a folder of the chain again' : `more than ${MAX_DUMPS} dumps`
      throw new LazyRestoreError('format', `${last.path}/${PARENT}: found ${found}, expected an older dump`)
    }
    seen.add(parent.id)
    chain.push(parent)
  }
}

/** Is told where pages `[firstPage, firstPage + count)` are: at slots from `slot` on of a pages file. */
export interface PageSink {
  place(firstPage: number, count: number, file: StoredFile, slot: number, level: number): void
  /** Pages that the level's pages file has in all. */
  level(level: number, presentPages: number): void
}

interface Wanted {
  readonly firstPage: number
  readonly endPage: number
}

/**
 * Finds every page that a pagemap of the newest dump has.
 * @param name of the pagemap in each folder
 * @throws LazyRestoreError `format` when a parent lacks what was left to it
 */
export async function resolvePages(
  chain: readonly Folder[],
  name: string,
  newest: Pagemap,
  sink: PageSink,
): Promise<void> {
  let wanted: Wanted[] = []
  for (let i = 0; i < newest.count; i++) {
    wanted.push({ firstPage: newest.firstPage[i], endPage: newest.firstPage[i] + newest.pages[i] })
  }
  let pagemap = newest
  for (let level = 0; ; level++) {
    sink.level(level, pagemap.presentPages)
    wanted = placeLevel(pagemap, wanted, level, sink)
    if (wanted.length === 0) return
    const lacking = (found: string) =>
      formatError({
        name: pagemap.name,
        offset: 0,
        field: `page ${hexAddress(wanted[0].firstPage)}`,
        found,
        expected: `pages in the ${PARENT} of ${chain[level].path}`,
      })
    if (level + 1 === chain.length) throw lacking(`no ${PARENT}`)
    const next = await readPagemap(chain[level + 1], name)
    if (next === null) throw lacking(`no ${name} there`)
    pagemap = next
  }
}

/** Places what the level has; returns what it leaves to its parent. */
function placeLevel(pagemap: Pagemap, wanted: readonly Wanted[], level: number, sink: PageSink): Wanted[] {
  const { firstPage, pages, slot, count, pagesFile, name } = pagemap
  const left: Wanted[] = []
  let entry = 0
  for (const { firstPage: from, endPage } of wanted) {
    for (let page = from; page < endPage; ) {
      while (entry < count && firstPage[entry] + pages[entry] <= page) entry++
      if (entry === count || firstPage[entry] > page) {
        const expected = 'it, as a newer dump leaves it to this one'
        throw formatError({ name, offset: 0, field: `page ${hexAddress(page)}`, found: 'no such page', expected })
      }
      const past = Math.min(endPage, firstPage[entry] + pages[entry])
      if (slot[entry] < 0) left.push({ firstPage: page, endPage: past })
      else sink.place(page, past - page, pagesFile, slot[entry] + (page - firstPage[entry]), level)
      page = past
    }
  }
  return left
}
