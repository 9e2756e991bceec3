/** `snapshot convert`, `flatten` and `stack`: from any snapshot to what can be written, and chains. */
import { realpath, stat } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import { outputPath } from '../core/output-path.ts'
import { formatBytes, formatShare } from '../core/units.ts'
import { replaceFile } from '../snapshot/file-sink.ts'
import { checkFirecrackerRegions, writeFlat } from '../snapshot/flat-writer.ts'
import { LAYERS_HEADER } from '../snapshot/formats/layers.ts'
import { openSnapshot } from '../snapshot/open-snapshot.ts'
import type { RamBlock, Snapshot } from '../snapshot/snapshot.ts'
import { writeSnapshot } from '../snapshot/snapshot-writer.ts'
import { refuseOverwrite } from './output-files.ts'
import { Progress } from './progress.ts'
import {
  findZerosOption,
  offsetOption,
  openForRestore,
  SNAPSHOT_HELP,
  type SnapshotOptions,
} from './snapshot-options.ts'

const FORMATS = ['mapped-ram', 'fixed-ram', 'raw', 'firecracker', 'firecracker-diff'] as const
type OutputFormat = (typeof FORMATS)[number]

interface ConvertOptions extends SnapshotOptions {
  readonly output: string
  readonly to: OutputFormat
  readonly base?: string
  readonly block?: readonly string[]
  readonly machine: string
}

const CONVERT_EXAMPLE = `
Examples:
  lazyrestore snapshot convert vm.mem --to mapped-ram --find-zeros -o vm.mig
  lazyrestore snapshot convert vm.mig --to firecracker --block pc.ram -o vm.mem
  lazyrestore snapshot convert vm2.mem --to firecracker-diff --base vm.mem -o vm2.diff
Only RAM is written. Pages without data are holes.`

const STACK_EXAMPLE = `
Example:
  lazyrestore snapshot stack vm.mem vm1.diff vm2.diff -o vm2.layers
The list names the files from its own folder on; see docs/formats.md.`

export function addConvertCommands(snapshot: Command): void {
  snapshot
    .command('convert')
    .description('Write the RAM of any snapshot in another format.')
    .argument('<snapshot>', SNAPSHOT_HELP)
    .requiredOption('-o, --output <file>', 'the file to write')
    .addOption(new Option('--to <format>', 'the format to write').choices(FORMATS).makeOptionMandatory())
    .option('--base <snapshot>', 'for firecracker-diff: the snapshot that the diff is over')
    .option('--block <name...>', 'write these blocks only; all of them by default')
    .option('--machine <type>', 'machine type to write where the snapshot has none', 'pc-q35-10.0')
    .addOption(offsetOption())
    .addOption(findZerosOption())
    .addHelpText('after', CONVERT_EXAMPLE)
    .action(runConvert)
  snapshot
    .command('flatten')
    .description('Write a chain of layers as one memory file.')
    .argument('<snapshot>', 'a chain: a list of layers, an E2B header, a CRIU folder with parents')
    .requiredOption('-o, --output <file>', 'the file to write')
    .addOption(findZerosOption())
    .action(runFlatten)
  snapshot
    .command('stack')
    .description('Write the list of layers that a base and diffs over it are.')
    .argument('<base>', 'a snapshot in one file, or FORMAT:PATH')
    .argument('<diff...>', 'sparse memory files, the oldest first')
    .requiredOption('-o, --output <file>', 'the list to write')
    .addHelpText('after', STACK_EXAMPLE)
    .action(runStack)
}

async function runConvert(name: string, options: ConvertOptions): Promise<void> {
  const { to, base: baseName } = options
  if ((to === 'firecracker-diff') !== (baseName !== undefined)) {
    const found = baseName === undefined ? 'none' : `${baseName} with --to ${to}`
    throw new LazyRestoreError(
      'usage',
      `--base: found ${found}, expected one with --to firecracker-diff, and only there`,
    )
  }
  const snapshot = await openForRestore(name, options)
  try {
    await refuseOverwrite(options.output, [snapshot])
    await write(snapshot, chooseBlocks(snapshot, options.block), options)
  } finally {
    await snapshot.close()
  }
}

async function runFlatten(name: string, options: SnapshotOptions & { readonly output: string }): Promise<void> {
  const snapshot = await openForRestore(name, options)
  try {
    if (!snapshot.layers) {
      throw new LazyRestoreError(
        'usage',
        `${name}: found a snapshot without layers, expected a chain; use snapshot convert`,
      )
    }
    await refuseOverwrite(options.output, [snapshot])
    // A process's memory has too many holes between its mappings to be one flat image.
    const to = snapshot.format === 'criu' ? 'mapped-ram' : 'raw'
    await write(snapshot, chooseBlocks(snapshot, undefined), { ...options, to, machine: 'none' })
  } finally {
    await snapshot.close()
  }
}

async function write(snapshot: Snapshot, blocks: readonly RamBlock[], options: ConvertOptions): Promise<void> {
  const { output, to, base: baseName, machine } = options
  if (to === 'firecracker') checkFirecrackerRegions(snapshot, blocks)
  const progress = new Progress()
  const onPages = ({ name, pageCount }: RamBlock, done: number) =>
    progress.update(`${name}: ${formatShare(done / pageCount)}`)
  const base = baseName === undefined ? null : await openSnapshot(baseName)
  try {
    await refuseOverwrite(output, [base])
    if (to === 'mapped-ram' || to === 'fixed-ram') {
      await writeSnapshot(output, {
        format: to,
        machine: snapshot.machine ?? machine,
        blocks,
        fillPages: (index, page, target) => {
          const block = blocks[index]
          onPages(block, page)
          return snapshot.source.read(block.pagesOffset + page * block.pageSize, target)
        },
      })
    } else await writeFlat(output, { snapshot, blocks, onPages, ...(base === null ? {} : { base }) })
  } finally {
    progress.done()
    await base?.close()
  }
  const { size, blocks: sectors } = await stat(output)
  process.stdout.write(`${output}: ${to}, ${formatBytes(size)}, of which ${formatBytes(sectors * 512)} on disk\n`)
}

function chooseBlocks({ name, blocks }: Snapshot, wanted: readonly string[] | undefined): RamBlock[] {
  const stored = blocks.filter(({ ignored }) => !ignored)
  if (wanted === undefined) return stored
  return wanted.map(block => {
    const found = stored.find(other => other.name === block)
    if (found !== undefined) return found
    const expected = stored.map(other => other.name).join(', ')
    throw new LazyRestoreError('usage', `${name}: --block: found "${block}", expected one of ${expected}`)
  })
}

async function runStack(
  base: string,
  diffs: readonly string[],
  { output }: { readonly output: string },
): Promise<void> {
  const folder = dirname(resolve(output))
  // A list that a link leads to is looked for in the link's folder and in its own: there, only whole paths are good from both.
  const isElsewhere = await leadsElsewhere(resolve(output))
  const fromFolder = (path: string) => {
    const colon = /^[a-z0-9-]+:/.exec(path)?.[0] ?? ''
    const whole = resolve(path.slice(colon.length))
    return colon + (isElsewhere ? whole : relative(folder, whole))
  }
  const text = LAYERS_HEADER + [base, ...diffs].map(path => `${fromFolder(path)}\n`).join('')
  await replaceFile(
    output,
    sink => sink.write(0, Buffer.from(text)),
    written => checkLayers(written, output),
  )
  process.stdout.write(`${output}: ${diffs.length + 1} layers\n`)
}

/** Whether the path is of a link to another folder. */
async function leadsElsewhere(path: string): Promise<boolean> {
  try {
    return (await realpath(dirname(path))) !== dirname(await outputPath(path))
  } catch {
    return false // what is wrong there is said when it is written
  }
}

/** A list that cannot be opened is of no use to anybody, and none may take the place of its layers. */
async function checkLayers(written: string, output: string): Promise<void> {
  try {
    const snapshot = await openSnapshot(written)
    await snapshot.close()
    await refuseOverwrite(output, [snapshot])
  } catch (error) {
    if (!(error instanceof LazyRestoreError)) throw error
    throw new LazyRestoreError(error.code, error.message.replaceAll(written, output), { cause: error })
  }
}
