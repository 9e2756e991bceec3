/**
 * One reader against mutated inputs. What must hold of every one: it is read, or refused by an error of ours that says file,
 * offset, field, found and expected; within a second; and what was read can be used: every page with data has its bytes.
 */
import fc from 'fast-check'
import { nextSetBit } from '../../src/core/bitmap.ts'
import { LazyRestoreError } from '../../src/core/error.ts'
import { SNAPSHOT_READERS } from '../../src/snapshot/formats/readers.ts'
import type { Snapshot } from '../../src/snapshot/snapshot.ts'
import { type MemoryFile, MemoryTree } from '../snapshot/formats/memory-folder.ts'
import { type Mutation, mutate, mutations } from './mutate.ts'
import type { FuzzCase, FuzzedReader } from './readers.ts'

const LIMIT_MS = 1000
/** What can be wrong with an input. */
const CODES = ['format', 'unsupported', 'limit', 'io', 'mismatch']
const WHERE = /^\S.*: 0x[0-9a-f]+: .*found .*expected /
/** Pages of a snapshot that are read after it was. */
const PAGES_READ = 8

export interface FuzzResult {
  readonly reader: string
  readonly runs: number
  readonly read: number
  readonly refused: number
  readonly slowestMs: number
  readonly largestRssMiB: number
}

/** @throws Error with the mutations, made as few as can be, of an input that something does not hold of */
export async function fuzz(reader: FuzzedReader, runs: number, seed: number): Promise<FuzzResult> {
  const counts = { read: 0, refused: 0, slowestMs: 0, largestRss: 0, runs: 0 }
  const property = fc.asyncProperty(fc.nat(), mutations, async (which, changes) => {
    const given = reader.cases[which % reader.cases.length]
    const tree = mutated(given, changes)
    const startMs = performance.now()
    const wasRead = await check(reader, tree, given.path)
    const tookMs = performance.now() - startMs
    counts.slowestMs = Math.max(counts.slowestMs, tookMs)
    if (tookMs > LIMIT_MS) throw new Error(`found ${tookMs.toFixed(0)} ms, expected at most ${LIMIT_MS}`)
    if (wasRead) counts.read++
    else counts.refused++
    if (counts.runs++ % 64 === 0) counts.largestRss = Math.max(counts.largestRss, process.memoryUsage.rss())
  })
  await fc.assert(property, { numRuns: runs, seed })
  const { read, refused, slowestMs, largestRss } = counts
  return { reader: reader.name, runs, read, refused, slowestMs, largestRssMiB: largestRss / 2 ** 20 }
}

/** True when it was read, false when it was refused as it should be. */
async function check(reader: FuzzedReader, tree: MemoryTree, path: string): Promise<boolean> {
  try {
    const subject = await tree.subject(path)
    for (const other of SNAPSHOT_READERS) await other.recognises(subject)
    const snapshot = await reader.read(tree, path)
    if (snapshot !== null) await use(snapshot)
    return true
  } catch (error) {
    if (!(error instanceof LazyRestoreError) || !CODES.includes(error.code)) throw error
    if (!WHERE.test(error.message)) throw new Error(`found a refusal that does not say where: ${error.message}`)
    return false
  }
}

/** Reads some of the pages that are said to have data. */
async function use({ blocks, source }: Snapshot): Promise<void> {
  let left = PAGES_READ
  for (const { name, bitmap, pageCount, pageSize, pagesOffset, setBits, ignored } of blocks) {
    if (bitmap.length !== Math.ceil(pageCount / 32))
      throw new Error(`block ${name}: found a bitmap of ${bitmap.length} words`)
    if (ignored || setBits === 0) continue
    const last = Math.floor(pageCount / 2)
    for (const from of [0, last]) {
      const page = nextSetBit(bitmap, from, pageCount)
      if (page < pageCount && left-- > 0) await source.read(pagesOffset + page * pageSize, new Uint8Array(pageSize))
    }
  }
}

function mutated({ files, links }: FuzzCase, changes: readonly Mutation[]): MemoryTree {
  const changed = new Map<string, MemoryFile>(files)
  const names = [...files.keys()].filter(name => files.get(name)!.hot > 0)
  for (const [i, name] of names.entries()) {
    const of = changes.filter(({ file }) => file % names.length === i)
    if (of.length === 0) continue
    const { bytes, hot, runs } = files.get(name)!
    const { bytes: head, tail } = mutate(bytes, hot, of)
    changed.set(name, { bytes: head, tail, ...(runs === undefined ? {} : { runs }) })
  }
  return new MemoryTree(changed, links)
}
