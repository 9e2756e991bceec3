/** What `inspect` prints for people. */
import { formatBytes, formatCount, formatShare } from '../core/units.ts'
import { densityStrip, STRIP_LEGEND } from '../report/memory-map.ts'
import type { RunFacts, RunLengths } from '../snapshot/run-facts.ts'
import type { Snapshot, SnapshotLayer } from '../snapshot/snapshot.ts'

export interface InspectedBlock {
  readonly name: string
  readonly address: number | null
  readonly usedLength: number
  readonly pageSize: number
  readonly bitmapOffset: number | null
  readonly pagesOffset: number
  readonly setBits: number
  /** Pages that are zero after a load; without --hash, those whose bit is clear. */
  readonly zeroPages: number
  /** sha256 of the content as loaded; null without --hash. */
  readonly sha256: string | null
}

/** Host pages of a size, by what their target pages hold. */
export interface InspectedDensity {
  readonly hostPageSize: number
  readonly zero: number
  readonly data: number
  readonly mixed: number
}

export interface Inspection extends Pick<Snapshot, 'format' | 'machine' | 'capabilities' | 'identity' | 'deviceState'> {
  readonly layers: readonly SnapshotLayer[] | null
  readonly blocks: readonly InspectedBlock[]
  readonly runs: RunFacts
  readonly density: readonly InspectedDensity[]
}

/** Rows of a table before the rest of them is summed up: a process has hundreds of mappings, a chain thousands of layers. */
const MOST_ROWS = 24
const STRIP_WIDTH = 64
const MOST_STRIPS = 8

export function describeSnapshot(snapshot: Snapshot, inspection: Inspection): string {
  const { blocks, layers, runs, density } = inspection
  const total = blocks.reduce((sum, { usedLength }) => sum + usedLength, 0)
  const data = blocks.reduce((sum, { setBits, pageSize }) => sum + setBits * pageSize, 0)
  const lines = [
    `${snapshot.name}: ${snapshot.format}${snapshot.machine === null ? '' : `, machine ${snapshot.machine}`}, ` +
      `${formatBytes(total)} of RAM, ${formatBytes(data)} (${formatShare(data / Math.max(1, total))}) with data`,
    `identity ${snapshot.identity}`,
    '',
    ...blockTable(blocks),
    ...(layers === null ? [] : ['', ...layerTable(layers)]),
    '',
    ...strips(snapshot),
    '',
    ...table(
      ['host page', 'zero', 'data', 'mixed'],
      density.map(({ hostPageSize, zero, data, mixed }) => [
        formatBytes(hostPageSize),
        ...[zero, data, mixed].map(formatCount),
      ]),
    ),
    '',
    ...table(
      ['runs of pages', 'runs', 'pages', 'mean', 'median', 'largest'],
      [
        ['data', ...runCells(runs.data)],
        ['zero', ...runCells(runs.zero)],
      ],
    ),
  ]
  if (runs.largestHoles.length > 0) {
    const holes = runs.largestHoles.map(({ block, offset, length }) => [
      block,
      `0x${offset.toString(16)}`,
      formatBytes(length),
    ])
    lines.push('', ...table(['largest holes in', 'at', 'length'], holes))
  }
  return `${lines.join('\n')}\n`
}

function blockTable(blocks: readonly InspectedBlock[]): string[] {
  const hasHash = blocks.some(({ sha256 }) => sha256 !== null)
  const rows = blocks
    .slice(0, MOST_ROWS)
    .map(({ name, usedLength, pageSize, pagesOffset, setBits, zeroPages, sha256 }) => [
      name,
      formatBytes(usedLength),
      formatBytes(pageSize),
      `0x${pagesOffset.toString(16)}`,
      formatCount(setBits),
      formatCount(zeroPages),
      ...(sha256 === null ? [] : [sha256]),
    ])
  const header = ['block', 'length', 'page', 'pages at', 'with data', 'zero', ...(hasHash ? ['sha256 as loaded'] : [])]
  return [...table(header, rows), ...andMore(blocks.length)]
}

/** The newest layers; a chain's depth, and how much of what it stores is hidden by newer layers. */
function layerTable(layers: readonly SnapshotLayer[]): string[] {
  const stored = layers.reduce((sum, { storedPages }) => sum + storedPages, 0)
  const used = layers.reduce((sum, { usedPages }) => sum + usedPages, 0)
  const unused = layers.filter(({ usedPages }) => usedPages === 0).length
  const rows = layers.map(({ name, storedPages, usedPages }, i) => [
    `${i === 0 ? 'base' : i} ${name}`,
    formatCount(storedPages),
    formatCount(usedPages),
  ])
  const shown = rows.length <= MOST_ROWS ? rows : [rows[0], ...rows.slice(-(MOST_ROWS - 1))]
  return [
    `${formatCount(layers.length)} layers: ${formatCount(stored)} pages stored, ${formatCount(used)} of them used` +
      `${stored === 0 ? '' : ` (${formatShare(used / stored)})`}; ${formatCount(unused)} layers without a page in use`,
    ...table(['layer', 'stored', 'used'], shown),
    ...andMore(rows.length),
  ]
}

function andMore(rows: number): string[] {
  return rows <= MOST_ROWS ? [] : [`and ${formatCount(rows - MOST_ROWS)} more (--json has all)`]
}

/** A line for each of the largest blocks. */
function strips({ blocks }: Snapshot): string[] {
  const largest = blocks
    .filter(({ ignored }) => !ignored)
    .sort((a, b) => b.usedLength - a.usedLength)
    .slice(0, MOST_STRIPS)
  const width = Math.max(0, ...largest.map(({ name }) => name.length))
  return [...largest.map(block => `${block.name.padEnd(width)}  ${densityStrip(block, STRIP_WIDTH)}`), STRIP_LEGEND]
}

function runCells({ count, pages, mean, median, largest }: RunLengths): string[] {
  return [formatCount(count), formatCount(pages), mean.toFixed(1), formatCount(median), formatCount(largest)]
}

/** Columns padded to their widest cell; the first one to the left, the others to the right. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((cell, i) => Math.max(cell.length, ...rows.map(row => row[i].length)))
  return [header, ...rows].map(row =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd(),
  )
}
