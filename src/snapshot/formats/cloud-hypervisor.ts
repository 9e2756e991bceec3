/**
 * A Cloud Hypervisor snapshot: a folder with `state.json` and `memory-ranges` (cloud-hypervisor vmm/src/memory_manager.rs).
 * `memory-ranges` is the guest's memory ranges one after the other in the order of a table, sparse since v52. The table is in
 * `state.json`, a tree of snapshots by name whose leaves carry their state as JSON in a string; the one that is read here is
 * `memory-manager`: `{"memory_ranges": {"data": [{"gpa": …, "length": …}, …]}, …}`.
 */
import { MIB } from '../../core/units.ts'
import { readWhole } from '../byte-source.ts'
import { formatError } from '../format-error.ts'
import { checkPageCount, imageBlocks, imageSnapshot, PAGE_BYTES, type Region, regionName } from '../memory-image.ts'
import { fileName, type StoredFile, type Subject } from '../stored-file.ts'
import { MAX_BLOCKS } from '../stream-format.ts'
import { snapshotReader } from './reader.ts'

const STATE_FILE = 'state.json'
const MEMORY_FILE = 'memory-ranges'
const MANAGER = 'memory-manager'
const MAX_STATE_BYTES = 16 * MIB
/** How deep the tree of snapshots may be; it is two levels above the memory manager. */
const MAX_DEPTH = 8

export const cloudHypervisorReader = snapshotReader({
  format: 'cloud-hypervisor',
  writtenBy: 'Cloud Hypervisor, ch-remote snapshot: the folder',
  options: {},
  async recognises(subject) {
    if (subject.file !== null && fileName(subject) !== MEMORY_FILE) return false
    const names = [STATE_FILE, MEMORY_FILE]
    const files = await Promise.all(names.map(name => subject.folder.open(name).catch(() => null)))
    return files.every(file => file !== null)
  },
  async read(subject) {
    const state = await openIn(subject, STATE_FILE)
    const memory = await openIn(subject, MEMORY_FILE)
    const regions = readRegions(state.name, (await readWhole(state, MAX_STATE_BYTES)).toString('utf8'), memory)
    const blocks = imageBlocks(regions, memory.dataRuns().runs, PAGE_BYTES)
    return imageSnapshot('cloud-hypervisor', subject.path, memory, blocks)
  },
})

async function openIn({ folder }: Subject, name: string): Promise<StoredFile> {
  const file = await folder.open(name)
  if (file !== null) return file
  throw formatError({ name: folder.path, offset: 0, field: 'folder', found: `no ${name}`, expected: 'one' })
}

/** The memory ranges as regions of the file behind `memory`. */
function readRegions(name: string, text: string, memory: StoredFile): Region[] {
  const at = Buffer.byteLength(text.slice(0, Math.max(0, text.indexOf(`"${MANAGER}"`))))
  const fail = (field: string, found: unknown, expected: string) =>
    formatError({ name, offset: at, field, found: describe(found), expected })
  const tree = parseJson(text, message => fail('JSON', message, 'JSON text'))
  const manager = findManager(tree, MAX_DEPTH)
  if (manager === undefined) throw fail(MANAGER, 'no such snapshot', 'one among its snapshots')
  const leaf = fieldOf(fieldOf(manager, 'snapshot_data'), 'state')
  if (typeof leaf !== 'string') throw fail(`${MANAGER}.snapshot_data.state`, leaf, 'JSON in a string')
  const state = parseJson(leaf, message => fail(`${MANAGER}.snapshot_data.state`, message, 'JSON text'))
  const table = fieldOf(fieldOf(state, 'memory_ranges'), 'data')
  if (!Array.isArray(table) || table.length === 0 || table.length > MAX_BLOCKS) {
    throw fail('memory_ranges.data', table, `a list of 1 to ${MAX_BLOCKS} ranges`)
  }
  let pagesOffset = 0
  const regions = table.map((range, i) => {
    const [address, length] = ['gpa', 'length'].map(key => {
      const value = fieldOf(range, key)
      if (isWholePages(value) && (key === 'gpa' || value > 0)) return value
      throw fail(`memory_ranges.data[${i}].${key}`, value, `a multiple of ${PAGE_BYTES}`)
    })
    const region = { name: regionName(address), address, length, pagesOffset }
    pagesOffset += length
    return region
  })
  const names = new Set(regions.map(region => region.name))
  if (names.size < regions.length) throw fail('memory_ranges.data', 'two ranges at one address', 'an address each')
  if (memory.byteLength !== pagesOffset) {
    const expected = `${pagesOffset}, the sum of the ranges in ${STATE_FILE}`
    const found = `${memory.byteLength} bytes`
    throw formatError({ name: memory.name, offset: memory.byteLength, field: 'end of the file', found, expected })
  }
  checkPageCount(memory.name, 0, pagesOffset / PAGE_BYTES)
  return regions
}

function parseJson(text: string, fail: (message: string) => Error): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw fail((cause as Error).message)
  }
}

/** The memory manager's snapshot anywhere in the tree; undefined without one. */
function findManager(tree: unknown, depth: number): unknown {
  const children = fieldOf(tree, 'snapshots')
  if (typeof children !== 'object' || children === null || depth === 0) return undefined
  const found = fieldOf(children, MANAGER)
  if (found !== undefined) return found
  for (const child of Object.values(children)) {
    const deeper = findManager(child, depth - 1)
    if (deeper !== undefined) return deeper
  }
  return undefined
}

function fieldOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
  return (value as Record<string, unknown>)[key]
}

function isWholePages(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) % PAGE_BYTES === 0
}

/** Text from the file, at a length that can be shown. */
function describe(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  return String(value).slice(0, 100)
}
