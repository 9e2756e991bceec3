/** `inspect`: what a snapshot holds, without reading its pages unless asked for their hashes or their zeros. */
import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { countBits } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import { formatShare } from '../core/units.ts'
import { HOST_PAGE_SIZES, parseHostPages } from '../destination/host-pages.ts'
import { createLayout } from '../destination/layout.ts'
import { hashBlock } from '../snapshot/load.ts'
import { runFacts } from '../snapshot/run-facts.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { describeSnapshot, type InspectedBlock, type InspectedDensity, type Inspection } from './inspect-text.ts'
import { refuseOverwrite } from './output-files.ts'
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
  readonly map?: string
  readonly json?: boolean
}

export function addInspectCommand(program: Command): void {
  program
    .command('inspect')
    .description(
      'Show what a snapshot holds: RAM blocks, pages with data, how they lie and fall on host pages, layers.',
    )
    .argument('<snapshot>', SNAPSHOT_HELP)
    .option('--hash', "read all pages and print the sha256 of each block's content as loaded")
    .option('--map <file>', 'draw where memory has data, and which layer it comes from, as an SVG picture')
    .option('--json', 'print as JSON')
    .addOption(offsetOption())
    .addOption(findZerosOption())
    .addHelpText('after', '\nExample:\n  lazyrestore inspect vm.mig --hash')
    .action(runInspect)
}

async function runInspect(name: string, options: InspectOptions): Promise<void> {
  const snapshot = await openForRestore(name, options)
  try {
    await refuseOverwrite(options.map, [snapshot], '--map')
    if (options.map !== undefined) await writeMap(snapshot, options.map)
    const { format, machine, capabilities, identity, deviceState, layers = null } = snapshot
    const inspection: Inspection = {
      ...{ format, machine, capabilities, identity, deviceState, layers },
      blocks: await inspectBlocks(snapshot, options.hash === true),
      runs: runFacts(snapshot.blocks),
      density: densities(snapshot),
    }
    if (options.json) process.stdout.write(`${JSON.stringify(inspection, null, 2)}\n`)
    else process.stdout.write(describeSnapshot(snapshot, inspection))
  } finally {
    await snapshot.close()
  }
}

async function writeMap(snapshot: Snapshot, path: string): Promise<void> {
  const { memoryMap } = await import('../report/memory-map.ts')
  try {
    await writeFile(path, memoryMap(snapshot))
  } catch (cause) {
    throw new LazyRestoreError('io', `${path}: cannot write: ${(cause as Error).message}`, { cause })
  }
}

async function inspectBlocks(snapshot: Snapshot, hash: boolean): Promise<InspectedBlock[]> {
  const progress = new Progress()
  const inspected: InspectedBlock[] = []
  for (const block of snapshot.blocks) {
    const { name, address = null, usedLength, pageSize, bitmapOffset, pagesOffset, setBits, pageCount } = block
    const report = (page: number) => progress.update(`reading ${name}: ${formatShare(page / pageCount)}`)
    const content = hash ? await hashBlock(snapshot, block, report) : { zeroPages: pageCount - setBits, sha256: null }
    inspected.push({ name, address, usedLength, pageSize, bitmapOffset, pagesOffset, setBits, ...content })
  }
  progress.done()
  return inspected
}

/** How the pages with data fall on host pages of each size. */
function densities(snapshot: Snapshot): InspectedDensity[] {
  const sizes = HOST_PAGE_SIZES.filter(size =>
    snapshot.blocks.every(({ pageSize, ignored }) => ignored || size >= pageSize),
  )
  return sizes.map(size => {
    const { hasData, mixed, hostPageCount } = createLayout(snapshot, parseHostPages(`${size}:anon`))
    const data = countBits(hasData, 0, hostPageCount)
    const mixedPages = mixed === null ? 0 : countBits(mixed, 0, hostPageCount)
    return { hostPageSize: size, zero: hostPageCount - data, data: data - mixedPages, mixed: mixedPages }
  })
}
