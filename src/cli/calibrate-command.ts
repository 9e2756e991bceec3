/** `calibrate`: measure what operations cost on this host, and its storage device, and write it down as a profile. */
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { Command } from 'commander'
import { renderProfileTable } from '../report/profile-table.ts'
import { checkWritable, orSay } from './output-files.ts'
import { Progress } from './progress.ts'

interface CalibrateOptions {
  readonly output?: string
  readonly quick?: boolean
  readonly fileFolder: string
  readonly json?: boolean
}

const HELP = `
Takes less than a minute, and needs the machine to be quiet. Nothing is left behind: the file that is read loses its name at once.

Example:
  lazyrestore calibrate -o host.json --file-folder /var/lib/snapshots
  lazyrestore compare vm.mig --profile host.json --storage host:cache=cold`

export function addCalibrateCommand(program: Command): void {
  program
    .command('calibrate')
    .description("Measure this host's costs and the storage device under a folder; the result is a host profile.")
    .option('-o, --output <file>', 'write the profile (JSON)')
    .option('--quick', 'in less than 15 s, and rougher')
    .option('--file-folder <folder>', 'a folder on the device to measure', tmpdir())
    .option('--json', 'print the profile as JSON instead of a table')
    .addHelpText('after', HELP)
    .action(runCalibrate)
}

async function runCalibrate({ output, quick = false, fileFolder, json }: CalibrateOptions): Promise<void> {
  if (output !== undefined) await checkWritable(output)
  const { calibrate } = await import('../calibrate/calibrate.ts')
  const progress = new Progress()
  try {
    const { profile, notes } = await calibrate({ folder: fileFolder, quick, onProgress: text => progress.update(text) })
    progress.done()
    const text = `${JSON.stringify(profile, null, 2)}\n`
    // What was measured is shown first: it is not lost where the file cannot be written after all.
    if (json) process.stdout.write(text)
    else {
      process.stdout.write(renderProfileTable(profile))
      for (const note of notes) process.stdout.write(`${note}\n`)
    }
    if (output === undefined) return
    await orSay(output, writeFile(output, text))
    if (!json) process.stdout.write(`${output}\n`)
  } finally {
    progress.done()
  }
}
