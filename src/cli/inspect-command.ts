/** `inspect`: what a snapshot holds, without reading its pages unless asked for their hashes. */
import type { Command } from 'commander'
import { countBits } from '../core/bitmap.ts'
import { formatBytes, formatCount, formatShare } from '../core/units.ts'
import { HOST_PAGE_SIZES, parseHostPages } from '../destination/host-pages.ts'
import { createLayout } from '../destination/layout.ts'
import { hashBlock } from '../snapshot/load.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { Progress } from './progress.ts'
import {
  findZerosOption,
  offsetOption,
  openForRestore,
  SNAPSHOT_HELP,
  type SnapshotOptions,
} from './snapshot-options.ts'

interface InspectOptions extends SnapshotOptions {
  readonly hash?: boolean
  readonly json?: boolean
}

interface InspectedBlock {
  readonly name: string
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

export function addInspectCommand(program: Command): void {
  program
    .command('inspect')
    .description('Show what a snapshot holds: RAM blocks, pages with data, how they fall on host pages.')
    .argument('<snapshot>', SNAPSHOT_HELP)
    .option('--hash', "read all pages and print the sha256 of each block's content as loaded")
    .option('--json', 'print as JSON')
    .addOption(offsetOption())
    .addOption(findZerosOption())
    .addHelpText('after', '\nExample:\n  lazyrestore inspect vm.mig --hash')
    .action(runInspect)
}

async function runInspect(name: string, options: InspectOptions): Promise<void> {
  const snapshot = await openForRestore(name, options)
  try {
    const blocks = await inspectBlocks(snapshot, options.hash === true)
    const { format, machine, capabilities, identity, deviceState } = snapshot
    if (options.json) {
      process.stdout.write(
        `${JSON.stringify({ format, machine, capabilities, identity, deviceState, blocks }, null, 2)}\n`,
      )
    } else process.stdout.write(describe(snapshot, blocks))
  } finally {
    await snapshot.close()
  }
}

async function inspectBlocks(snapshot: Snapshot, hash: boolean): Promise<InspectedBlock[]> {
  const progress = new Progress()
  const inspected: InspectedBlock[] = []
  for (const block of snapshot.blocks) {
    const { name, usedLength, pageSize, bitmapOffset, pagesOffset, setBits, pageCount } = block
    const report = (page: number) => progress.update(`reading ${name}: ${formatShare(page / pageCount)}`)
    const content = hash ? await hashBlock(snapshot, block, report) : { zeroPages: pageCount - setBits, sha256: null }
    inspected.push({ name, usedLength, pageSize, bitmapOffset, pagesOffset, setBits, ...content })
  }
  progress.done()
  return inspected
}

function describe(snapshot: Snapshot, blocks: readonly InspectedBlock[]): string {
  const total = blocks.reduce((sum, { usedLength }) => sum + usedLength, 0)
  const data = blocks.reduce((sum, { setBits, pageSize }) => sum + setBits * pageSize, 0)
  const lines = [
    `${snapshot.name}: ${snapshot.format}${snapshot.machine === null ? '' : `, machine ${snapshot.machine}`}, ` +
      `${formatBytes(total)} of RAM, ${formatBytes(data)} (${formatShare(data / Math.max(1, total))}) with data`,
    `identity ${snapshot.identity}`,
    '',
    ...table(
      ['block', 'length', 'page', 'pages at', 'with data', 'zero', ...(blocks[0]?.sha256 ? ['sha256 as loaded'] : [])],
      blocks.map(({ name, usedLength, pageSize, pagesOffset, setBits, zeroPages, sha256 }) => [
        name,
        formatBytes(usedLength),
        formatBytes(pageSize),
        `0x${pagesOffset.toString(16)}`,
        formatCount(setBits),
        formatCount(zeroPages),
        ...(sha256 === null ? [] : [sha256]),
      ]),
    ),
    '',
    ...table(['host page', 'zero', 'data', 'mixed'], densityRows(snapshot)),
  ]
  return `${lines.join('\n')}\n`
}

/** How the pages with data fall on host pages of each size. */
function densityRows(snapshot: Snapshot): string[][] {
  const sizes = HOST_PAGE_SIZES.filter(size =>
    snapshot.blocks.every(({ pageSize, ignored }) => ignored || size >= pageSize),
  )
  return sizes.map(size => {
    const layout = createLayout(snapshot, parseHostPages(`${size}:anon`))
    const data = countBits(layout.hasData, 0, layout.hostPageCount)
    const mixed = layout.mixed === null ? 0 : countBits(layout.mixed, 0, layout.hostPageCount)
    return [formatBytes(size), ...[layout.hostPageCount - data, data - mixed, mixed].map(formatCount)]
  })
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
