/** What users are told of a snapshot, a trace and the host. */
import { open } from 'node:fs/promises'
import {
  densityOf,
  type Layout,
  LazyRestoreError,
  type PageWindow,
  pageWindow,
  probe,
  readTrace,
  type Snapshot,
  workloadStats,
} from 'lazyrestore'
import type { JobAnswers, JobLimits, MemoryWindow, TraceFacts } from './job.ts'

export function describeSnapshot(snapshot: Snapshot): JobAnswers['inspect'] {
  const { name, format, machine, identity, blocks } = snapshot
  const restored = blocks.filter(({ ignored }) => !ignored)
  const sum = (of: (block: (typeof blocks)[number]) => number): number =>
    restored.reduce((total, block) => total + of(block), 0)
  return {
    name,
    format,
    machine,
    identity,
    bytes: sum(({ usedLength }) => usedLength),
    dataBytes: sum(({ setBits, pageSize }) => setBits * pageSize),
    pages: sum(({ pageCount }) => pageCount),
    blocks: blocks.map(block => ({
      name: block.name,
      bytes: block.usedLength,
      pageSize: block.pageSize,
      pages: block.pageCount,
      dataPages: block.setBits,
      ignored: block.ignored,
    })),
  }
}

/** The fields that every map over a window has. */
export function windowFields(layout: Layout, { from, count, pagesPerCell }: PageWindow) {
  const blocks = layout.blocks.map(({ block, firstHostPage, endHostPage, hostPageSize }) => {
    return { name: block.name, firstHostPage, endHostPage, hostPageSize }
  })
  return { hostPages: layout.hostPageCount, from, count, pagesPerCell, blocks }
}

export function describeDensity(layout: Layout, { from, count, cells }: MemoryWindow): JobAnswers['density'] {
  const window = pageWindow(layout, from, count, cells)
  return { ...windowFields(layout, window), ...densityOf(layout, window) }
}

/** @param name what the file is called in messages */
export async function describeTrace(path: string, name: string, limits: JobLimits): Promise<TraceFacts> {
  try {
    const workload = await readTrace(path)
    const { page, seed, snapshotIdentity, pageCount, pageSize } = workload
    if (page.length > limits.workloadAccesses) {
      throw new LazyRestoreError(
        'limit',
        `${path}: found ${page.length} accesses, expected at most ${limits.workloadAccesses}`,
      )
    }
    const statistics = workloadStats(workload)
    return {
      name: workload.name,
      format: await formatOf(path),
      seed,
      snapshotIdentity,
      pageCount,
      pageSize,
      statistics,
    }
  } catch (error) {
    if (!(error instanceof LazyRestoreError)) throw error
    throw new LazyRestoreError(error.code, error.message.replaceAll(path, name))
  }
}

/** Text starts with a brace; readTrace has refused all else. */
async function formatOf(path: string): Promise<TraceFacts['format']> {
  const file = await open(path)
  try {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 0)
    return buffer[0] === 0x7b ? 'ndjson' : 'binary'
  } finally {
    await file.close()
  }
}

export function describeEngines(): JobAnswers['engines'] {
  const { koffi, userfaultfd, kvm } = probe()
  const real = koffi ?? userfaultfd
  return [
    { name: 'sim', summary: 'predicts in virtual time', missing: null },
    { name: 'uffd', summary: "measures on this host's userfaultfd, with threads that touch memory", missing: real },
    { name: 'kvm', summary: 'the same, into a KVM guest', missing: real ?? kvm },
  ]
}
