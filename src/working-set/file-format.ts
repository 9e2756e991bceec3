/**
 * The head of a working-set file (`.lrws`): what it says about itself, and where its parts lie. docs/formats.md specifies it.
 *
 *   framed head · page u32 each · CRC-32 of each MiB of contents u32 each · crc u32 · zeros up to a multiple of 4096 · contents
 */

import { LazyRestoreError } from '../core/error.ts'
import {
  checkFields,
  describe,
  expectFields,
  type FieldRule,
  type Fields,
  textRule,
  wholeRule,
} from '../core/fields.ts'
import { KIB, MIB } from '../core/units.ts'
import { frameMagic } from '../snapshot/frame-magic.ts'
import type { FrameKind } from '../snapshot/framed-file.ts'
import { isPageSize } from '../workload/memory.ts'
import { MAX_PAGES } from '../workload/workload.ts'

export const WORKING_SET_FRAME: FrameKind = {
  what: 'working-set file',
  magic: frameMagic('WS'),
  version: 1,
  maxHeaderBytes: 4 * MIB,
}

/** Contents begin at a multiple of it: what O_DIRECT asks for. */
export const CONTENT_ALIGNMENT = 4 * KIB
/** Each so many bytes of the contents have a CRC of their own; the last piece may be shorter. */
export const CHECKED_BYTES = MIB

/** A RAM block as the pages of the file are counted over it. */
export interface WorkingSetBlock {
  readonly name: string
  readonly usedLength: number
  readonly hostPageSize: number
}

export interface WorkingSetHeader {
  readonly snapshotIdentity: string
  /** Target page size of the snapshot. */
  readonly pageSize: number
  /** In snapshot order; the dense index of host pages runs over them. */
  readonly blocks: readonly WorkingSetBlock[]
  readonly pageCount: number
  readonly contentBytes: number
  /** Names of the recordings that it was made of, and how many of them a page had to be in. */
  readonly recordings: readonly string[]
  readonly minRuns: number
}

const MAX_TEXT = 4096
export const MAX_RECORDINGS = 1024
const MAX_BLOCKS = 4096
const MAX_BYTES = 2 ** 52

const pageSizeRule: FieldRule = {
  accepts: value => typeof value === 'number' && isPageSize(value),
  expected: 'a power of two from 512 to 2^30',
}

function listRule(maxLength: number): FieldRule {
  return {
    accepts: value => Array.isArray(value) && value.length >= 1 && value.length <= maxLength,
    expected: `a list of 1 to ${maxLength}`,
  }
}

const HEADER_RULES: Readonly<Record<keyof WorkingSetHeader, FieldRule>> = {
  snapshotIdentity: textRule(256),
  pageSize: pageSizeRule,
  blocks: listRule(MAX_BLOCKS),
  pageCount: wholeRule(0, MAX_PAGES),
  contentBytes: wholeRule(0, MAX_BYTES),
  recordings: listRule(MAX_RECORDINGS),
  minRuns: wholeRule(1, MAX_RECORDINGS),
}

const BLOCK_RULES: Readonly<Record<keyof WorkingSetBlock, FieldRule>> = {
  name: textRule(255),
  usedLength: wholeRule(1, MAX_BYTES),
  hostPageSize: pageSizeRule,
}

/** Checks every field, and the fields against each other. @throws LazyRestoreError `format` */
export function parseWorkingSetHeader(fields: Fields, where: string): WorkingSetHeader {
  const header = checkFields<WorkingSetHeader>(fields, HEADER_RULES, where)
  const refuse = (field: string, found: string, expected: string): never => {
    throw new LazyRestoreError('format', `${where}: field ${field}: found ${found}, expected ${expected}`)
  }
  for (const [i, value] of header.blocks.entries()) {
    const place = `${where}: field blocks[${i}]`
    const { usedLength, hostPageSize } = checkFields<WorkingSetBlock>(expectFields(value, place), BLOCK_RULES, place)
    const { pageSize } = header
    if (usedLength % pageSize !== 0) refuse(`blocks[${i}].usedLength`, `${usedLength}`, `a multiple of ${pageSize}`)
    if (hostPageSize < Math.max(pageSize, CONTENT_ALIGNMENT)) {
      refuse(`blocks[${i}].hostPageSize`, `${hostPageSize}`, `at least ${Math.max(pageSize, CONTENT_ALIGNMENT)}`)
    }
  }
  for (const [i, name] of header.recordings.entries()) {
    const { accepts, expected } = textRule(MAX_TEXT)
    if (!accepts(name)) refuse(`recordings[${i}]`, describe(name), expected)
  }
  const { pageCount, contentBytes, recordings, minRuns } = header
  const pages = hostPageCountOf(header)
  if (pages > MAX_PAGES) refuse('blocks', `${pages} host pages`, `at most ${MAX_PAGES}`)
  if (pageCount > pages) refuse('pageCount', `${pageCount}`, `at most the ${pages} host pages of its blocks`)
  if (minRuns > recordings.length) refuse('minRuns', `${minRuns}`, `at most the ${recordings.length} recordings`)
  if (contentBytes % CONTENT_ALIGNMENT !== 0)
    refuse('contentBytes', `${contentBytes}`, `a multiple of ${CONTENT_ALIGNMENT}`)
  return header
}

export function hostPageCountOf({ blocks }: Pick<WorkingSetHeader, 'blocks'>): number {
  return blocks.reduce((sum, { usedLength, hostPageSize }) => sum + Math.ceil(usedLength / hostPageSize), 0)
}

/** Bytes between the framed head and the contents' alignment: pages, CRCs, and the CRC over them. */
export function listBytes({ pageCount, contentBytes }: WorkingSetHeader): number {
  return 4 * (pageCount + checkedPieces(contentBytes) + 1)
}

export function checkedPieces(contentBytes: number): number {
  return Math.ceil(contentBytes / CHECKED_BYTES)
}

export function contentOffsetBehind(headBytes: number): number {
  return Math.ceil(headBytes / CONTENT_ALIGNMENT) * CONTENT_ALIGNMENT
}
