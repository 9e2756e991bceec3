/** `snapshot`: make snapshot files. */
import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import { formatBytes } from '../core/units.ts'
import { snapshotPages, writeSnapshot } from '../snapshot/snapshot-writer.ts'
import { addConvertCommands } from './convert-command.ts'
import { refuseOverwrite } from './output-files.ts'
import { Progress } from './progress.ts'
import {
  findZerosOption,
  offsetOption,
  openForRestore,
  SNAPSHOT_HELP,
  type SnapshotOptions,
} from './snapshot-options.ts'

interface MakeOptions extends SnapshotOptions {
  readonly output: string
  readonly format: string
  readonly machine: string
}

const EXAMPLE = `
Example:
  lazyrestore snapshot make synthetic:1GiB,zero=60%,seed=1 -o vm.mig
The file is sparse: pages without data take no room.`

export function addSnapshotCommand(program: Command): void {
  const snapshot = program
    .command('snapshot')
    .description('Make snapshot files, convert them, and put layers together.')
  snapshot
    .command('make')
    .description('Write the RAM of a snapshot, synthetic or real, to a new snapshot file.')
    .argument('<snapshot>', SNAPSHOT_HELP)
    .requiredOption('-o, --output <file>', 'the snapshot file to write')
    .option('--format <name>', 'mapped-ram or fixed-ram', 'mapped-ram')
    .option('--machine <type>', 'machine type to write', 'pc-q35-10.0')
    .addOption(offsetOption())
    .addOption(findZerosOption())
    .addHelpText('after', EXAMPLE)
    .action(runMake)
  addConvertCommands(snapshot)
}

async function runMake(name: string, { output, format, machine, ...options }: MakeOptions): Promise<void> {
  if (format !== 'mapped-ram' && format !== 'fixed-ram') {
    throw new LazyRestoreError('usage', `--format: found "${format}", expected mapped-ram or fixed-ram`)
  }
  const progress = new Progress()
  const snapshot = await openForRestore(name, options)
  try {
    // What is written has no device state: over the file that it came from, that would be lost.
    await refuseOverwrite(output, [snapshot])
    const fillPages = snapshotPages(snapshot)
    const blocks = snapshot.blocks.filter(({ ignored }) => !ignored)
    await writeSnapshot(output, {
      format,
      machine: snapshot.machine ?? machine,
      blocks,
      fillPages: (index, page, target) => {
        progress.update(`${blocks[index].name}: page ${page} of ${blocks[index].pageCount}`)
        return fillPages(snapshot.blocks.indexOf(blocks[index]), page, target)
      },
    })
    progress.done()
    const { size, blocks: sectors } = await stat(output)
    process.stdout.write(`${output}: ${format}, ${formatBytes(size)}, of which ${formatBytes(sectors * 512)} on disk\n`)
  } finally {
    progress.done()
    await snapshot.close()
  }
}
