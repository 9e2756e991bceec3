/**
 * A pagemap image (images/pagemap.proto, criu/pagemap.c): which pages of a process or of shared memory were dumped, in the
 * order of their addresses, and where each is: in this dump's pages file, one present entry behind the other; in the dump
 * that `parent` links to; or still at the source.
 */
import { formatError } from '../../format-error.ts'
import type { Folder, StoredFile } from '../../stored-file.ts'
import { ImageFile, type Message, PAGEMAP_MAGIC } from './image-file.ts'

const PE_PARENT = 1
const PE_LAZY = 2
const PE_PRESENT = 4
const PAGE = 4096

/** Entries in columns, in pages; sorted, and none overlaps the next. */
export interface Pagemap {
  readonly name: string
  readonly count: number
  readonly firstPage: Float64Array
  readonly pages: Float64Array
  /** First slot in the pages file; -1: the parent has them. */
  readonly slot: Float64Array
  readonly pagesFile: StoredFile
  readonly presentPages: number
}

/**
 * @param name `pagemap-18786.img`
 * @returns null when the folder has none
 */
export async function readPagemap(folder: Folder, name: string): Promise<Pagemap | null> {
  const image = await ImageFile.open(folder, name, PAGEMAP_MAGIC)
  if (image === null) return null
  const records = [...image.records()]
  if (records.length === 0) throw image.error(8, 'head', 'the end of the file', 'a record')
  const pagesId = numberOf(image, records[0], 1, 'pages_id')
  const pagesFile = await folder.open(`pages-${pagesId}.img`)
  if (pagesFile === null) throw image.error(records[0].start, 'pages_id', pagesId, `a file pages-${pagesId}.img`)
  const count = records.length - 1
  const firstPage = new Float64Array(count)
  const pages = new Float64Array(count)
  const slot = new Float64Array(count)
  let slots = 0
  let pastPage = 0
  for (let i = 0; i < count; i++) {
    const record = records[i + 1]
    const entry = readEntry(image, record)
    if (entry.firstPage < pastPage) {
      throw image.error(record.start, 'address', hexAddress(entry.firstPage), `at least ${hexAddress(pastPage)}`)
    }
    pastPage = entry.firstPage + entry.pages
    firstPage[i] = entry.firstPage
    pages[i] = entry.pages
    slot[i] = entry.isPresent ? slots : -1
    if (entry.isPresent) slots += entry.pages
  }
  if (slots * PAGE > pagesFile.byteLength) {
    const expected = `${slots * PAGE} bytes, for the ${slots} pages present in ${name}`
    const found = `${pagesFile.byteLength} bytes`
    throw formatError({ name: pagesFile.name, offset: pagesFile.byteLength, field: 'end of the file', found, expected })
  }
  return { name: image.name, count, firstPage, pages, slot, pagesFile, presentPages: slots }
}

function readEntry(image: ImageFile, record: Message) {
  let address = Number.NaN
  let compatiblePages = 0
  let pages = Number.NaN
  let inParent = false
  let flags = -1
  image.visit(record, (field, value) => {
    if (field === 1) address = value
    else if (field === 2) compatiblePages = value
    else if (field === 3) inParent = value !== 0
    else if (field === 4) flags = value
    else if (field === 5) pages = value
  })
  const at = record.start
  if (!(address % PAGE === 0 && address < 2 ** 64)) throw image.error(at, 'address', address, `a multiple of ${PAGE}`)
  if (Number.isNaN(pages)) pages = compatiblePages
  if (!(pages >= 1 && pages < 2 ** 52)) throw image.error(at, 'pages', pages, 'at least one')
  // Written before there were flags.
  if (flags < 0) flags = inParent ? PE_PARENT : PE_PRESENT
  const isPresent = (flags & PE_PRESENT) !== 0
  if (!isPresent && (flags & PE_PARENT) === 0) {
    const found = (flags & PE_LAZY) !== 0 ? 'lazy pages, which are still at the source' : `flags ${flags}`
    throw image.error(at, 'pages', found, 'pages that are present or in the parent', 'unsupported')
  }
  return { firstPage: address / PAGE, pages, isPresent }
}

function numberOf(image: ImageFile, record: Message, field: number, what: string): number {
  let found = -1
  image.visit(record, (inField, value) => {
    if (inField === field && !Number.isNaN(value)) found = value
  })
  if (found < 0) throw image.error(record.start, what, 'none', 'a number')
  return found
}

export function hexAddress(page: number): string {
  return `0x${(page * PAGE).toString(16)}`
}
