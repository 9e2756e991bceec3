/** Batches of accesses between the forms that callers use, a list of objects or columns, and the columns of a replay. */
import {
  ACCESS_IDLE,
  ACCESS_WRITE,
  type AccessBatch,
  createResolution,
  type FaultReplay,
  type Layout,
  LazyRestoreError,
  OP_COPY,
  type ReplayAnswers,
  resolve,
} from 'lazyrestore'
import type { Fault, FaultColumns, FaultListAnswer } from '../schemas/faults.ts'
import { MAX_BATCH, OPERATIONS } from '../schemas/operations.ts'

const MAX_THINK_NS = 2 ** 32 - 1

export function batchOfColumns({ page, vcpu, thinkNs, flags }: FaultColumns): AccessBatch {
  const { length } = page
  if (length > MAX_BATCH) throw new LazyRestoreError('limit', `faults: found ${length}, expected at most ${MAX_BATCH}`)
  for (const [name, column] of Object.entries({ vcpu, thinkNs, flags })) {
    if (column === undefined || column.length === length) continue
    throw new LazyRestoreError('usage', `${name}: found ${column.length} entries, expected ${length} as in page`)
  }
  return {
    length,
    page: new Uint32Array(page),
    vcpu: vcpu === undefined ? new Uint16Array(length) : Uint16Array.from(vcpu),
    thinkNs: thinkNs === undefined ? new Uint32Array(length) : Uint32Array.from(thinkNs),
    flags: flags === undefined ? new Uint8Array(length) : Uint8Array.from(flags),
  }
}

/** A list as columns, which pass between threads for less; null where that takes the session: a block, or a time of its own. */
export function columnsOfList(faults: readonly Fault[]): FaultColumns | null {
  const { length } = faults
  const page = new Uint32Array(length)
  const vcpu = new Uint16Array(length)
  const thinkNs = new Uint32Array(length)
  const flags = new Uint8Array(length)
  for (let i = 0; i < length; i++) {
    const fault = faults[i]
    if (!('page' in fault) || fault.atNs !== undefined) return null
    page[i] = fault.page
    vcpu[i] = fault.vcpu ?? 0
    thinkNs[i] = fault.thinkNs ?? 0
    flags[i] = fault.write === true ? ACCESS_WRITE : 0
  }
  return { page, vcpu, thinkNs, flags }
}

/**
 * A fault at a time of its own (`atNs`) is idle from where its vCPU is until then. Where that is must be known, so everything
 * before it has to be answered; the list is cut there, and `access` is called for each part.
 */
export function accessList(
  replay: FaultReplay,
  layout: Layout,
  faults: readonly Fault[],
  access: (batch: AccessBatch) => ReplayAnswers,
): ReplayAnswers[] {
  const numbers = faults.map((fault, i) => pageOf(layout, fault, i))
  const answers: ReplayAnswers[] = []
  let start = 0
  for (let i = 0; i <= faults.length; i++) {
    if (i < faults.length && (faults[i].atNs === undefined || i === start)) continue
    if (i > start) {
      const part = faults.slice(start, i)
      const idleNs = part[0].atNs === undefined ? null : idleUntil(replay, part[0].atNs, start)
      answers.push(access(batchOfList(part, numbers.slice(start, i), idleNs)))
    }
    start = i
  }
  return answers
}

function batchOfList(faults: readonly Fault[], pages: readonly number[], idleNs: number | null): AccessBatch {
  return {
    length: faults.length,
    page: Uint32Array.from(pages),
    vcpu: Uint16Array.from(faults, ({ vcpu = 0 }) => vcpu),
    thinkNs: Uint32Array.from(faults, ({ thinkNs = 0 }, i) => (i === 0 && idleNs !== null ? idleNs : thinkNs)),
    flags: Uint8Array.from(
      faults,
      ({ write = false }, i) => (write ? ACCESS_WRITE : 0) | (i === 0 && idleNs !== null ? ACCESS_IDLE : 0),
    ),
  }
}

function idleUntil(replay: FaultReplay, atNs: number, index: number): number {
  const { nowNs, accesses, answered, resumeNs } = replay.progress
  if (answered < accesses) {
    const found = `found atNs while ${accesses - answered} accesses are pending`
    throw new LazyRestoreError('usage', `fault ${index}: ${found}, expected all before it answered, or thinkNs`)
  }
  const idleNs = Math.max(0, atNs - Math.max(nowNs, resumeNs ?? 0))
  if (idleNs <= MAX_THINK_NS) return Math.round(idleNs)
  throw new LazyRestoreError('usage', `fault ${index}: found atNs ${idleNs} ns ahead, expected at most ${MAX_THINK_NS}`)
}

function pageOf(layout: Layout, fault: Fault, index: number): number {
  if (fault.atNs !== undefined && fault.thinkNs !== undefined) {
    throw new LazyRestoreError('usage', `fault ${index}: found both atNs and thinkNs, expected one of them`)
  }
  if ('page' in fault) return fault.page
  const { block: name, offset } = fault
  const found = layout.blocks.find(({ block }) => block.name === name)
  if (found === undefined) {
    const names = layout.blocks.map(({ block }) => block.name).join(', ')
    throw new LazyRestoreError('usage', `fault ${index}: found block ${name}, expected one of ${names}`)
  }
  const { block, firstTargetPage } = found
  const page = Math.floor(offset / block.pageSize)
  if (page < block.pageCount) return firstTargetPage + page
  const end = block.pageCount * block.pageSize
  throw new LazyRestoreError('usage', `fault ${index}: found offset ${offset} in ${name}, expected less than ${end}`)
}

/** The answers of several calls as those of one. */
export function joinAnswers(parts: readonly ReplayAnswers[]): ReplayAnswers {
  if (parts.length === 1) return parts[0]
  const join = <A extends Uint8Array | Uint32Array | Float64Array>(columns: readonly A[]): A => {
    const joined = new (columns[0].constructor as new (length: number) => A)(
      columns.reduce((sum, { length }) => sum + length, 0),
    )
    let at = 0
    for (const column of columns) {
      joined.set(column, at)
      at += column.length
    }
    return joined
  }
  const { pending, nowNs } = parts[parts.length - 1]
  return {
    access: join(parts.map(({ access }) => access)),
    op: join(parts.map(({ op }) => op)),
    latencyNs: join(parts.map(({ latencyNs }) => latencyNs)),
    pending,
    nowNs,
    installed: {
      first: join(parts.map(({ installed }) => installed.first)),
      count: join(parts.map(({ installed }) => installed.count)),
      op: join(parts.map(({ installed }) => installed.op)),
      atNs: join(parts.map(({ installed }) => installed.atNs)),
    },
  }
}

/** @param hostPage of each answered access */
export function listAnswer(layout: Layout, answers: ReplayAnswers, hostPage: Uint32Array): FaultListAnswer {
  const { access, op, latencyNs, pending, nowNs, installed } = answers
  const resolution = createResolution(layout, 1, Number.POSITIVE_INFINITY)
  const runsOf = (page: number): { offset: number; length: number }[] => {
    const { runCount, fileOffset, length } = resolve(layout, page, 1, Number.POSITIVE_INFINITY, resolution)
    return Array.from({ length: runCount }, (_, run) => ({ offset: fileOffset[run], length: length[run] }))
  }
  return {
    resolutions: Array.from(access, (number, i) => ({
      access: number,
      op: OPERATIONS[op[i]],
      hostPage: hostPage[i],
      runs: op[i] === OP_COPY ? runsOf(hostPage[i]) : [],
      latencyNs: latencyNs[i],
    })),
    installed: Array.from(installed.first, (first, i) => ({
      first,
      count: installed.count[i],
      op: OPERATIONS[installed.op[i]],
      atNs: installed.atNs[i],
    })),
    clockNs: nowNs,
    pending,
  }
}
