/**
 * The memory of dumped processes as blocks. Anonymous private memory is a block as it is mapped, since a page that was not
 * dumped is zero there (criu/uffd.c answers it with ZEROPAGE); of a mapped file only the pages that were dumped are, since the
 * others come from the file. Shared memory is a block by itself, whoever maps it.
 */
import { formatError } from '../../format-error.ts'
import type { Pagemap } from './pagemap.ts'
import { type Mapping, VMA_ANON_PRIVATE, VMA_ANON_SHARED, VMA_VDSO, VMA_VSYSCALL, VMA_VVAR } from './tasks.ts'

const PAGE = 4096
/** Mapped by the kernel, never by userfaultfd. */
const VMA_SPECIAL = VMA_VDSO | VMA_VVAR | VMA_VSYSCALL

/** Consecutive pages of a process, or of shared memory, by page number. */
export interface PageRange {
  firstPage: number
  endPage: number
}

/** The ranges of a process's memory that its dump determines, by address. @throws LazyRestoreError `format` */
export function processRanges(mappings: readonly Mapping[], pagemap: Pagemap): PageRange[] {
  const { firstPage, pages, count } = pagemap
  const ranges: PageRange[] = []
  const add = (from: number, to: number) => {
    const last = ranges.at(-1)
    if (last !== undefined && last.endPage === from) last.endPage = to
    else ranges.push({ firstPage: from, endPage: to })
  }
  let next = 0
  let mappedPages = 0
  for (const { start, end, status, protection } of mappings) {
    const [from, to] = [start / PAGE, end / PAGE]
    while (next < count && firstPage[next] + pages[next] <= from) next++
    const hasPages = next < count && firstPage[next] < to
    const isAnonymous = (status & VMA_ANON_PRIVATE) !== 0 && (status & VMA_SPECIAL) === 0
    // Memory that is reserved only (PROT_NONE) may be terabytes.
    const isWhole = isAnonymous && (protection !== 0 || hasPages)
    if (isWhole) add(from, to)
    // An entry may go on over mappings that touch.
    for (let entry = next; entry < count && firstPage[entry] < to; entry++) {
      const [first, past] = [Math.max(from, firstPage[entry]), Math.min(to, firstPage[entry] + pages[entry])]
      mappedPages += past - first
      if (!isWhole) add(first, past)
    }
  }
  const dumpedPages = pages.reduce((sum, n) => sum + n, 0)
  if (mappedPages === dumpedPages) return ranges
  const found = `${dumpedPages - mappedPages} of its ${dumpedPages} pages in no mapping`
  throw formatError({
    name: pagemap.name,
    offset: 0,
    field: 'pages',
    found,
    expected: 'pages of the mappings of its mm image',
  })
}

/** Bytes of each shared memory that the process maps, by id. */
export function sharedSizes(mappings: readonly Mapping[], sizes: Map<number, number>): void {
  for (const { start, end, offset, sharedId, status } of mappings) {
    if ((status & VMA_ANON_SHARED) === 0) continue
    sizes.set(sharedId, Math.max(sizes.get(sharedId) ?? 0, offset + (end - start)))
  }
}
