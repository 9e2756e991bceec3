#!/usr/bin/env node
/**
 * The command line. Results go to stdout, progress and errors to stderr; the exit code is 0, 1 when the work failed, 2 when
 * the command line is wrong. Only the command that runs is loaded: a VM may wait for it.
 */
import { Command, CommanderError } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import { VERSION } from '../core/version.ts'

const EXIT_FAILED = 1
const EXIT_USAGE = 2

/** What adds each command, in the order of the help. A command's file is loaded only when it is needed. */
const COMMANDS: readonly (readonly [name: string, load: () => Promise<(program: Command) => void>])[] = [
  ['inspect', async () => (await import('./inspect-command.ts')).addInspectCommand],
  ['compare', async () => (await import('./compare-command.ts')).addCompareCommand],
  ['burst', async () => (await import('./burst-command.ts')).addBurstCommand],
  ['qemu', async () => (await import('./qemu-command.ts')).addQemuCommand],
  ['uffd-handler', async () => (await import('./uffd-handler-command.ts')).addUffdHandlerCommand],
  ['sweep', async () => (await import('./sweep-command.ts')).addSweepCommand],
  ['breakeven', async () => (await import('./breakeven-command.ts')).addBreakevenCommand],
  ['worker', async () => (await import('./worker-command.ts')).addWorkerCommand],
  ['serve', async () => (await import('./serve-command.ts')).addServeCommand],
  ['snapshot', async () => (await import('./snapshot-command.ts')).addSnapshotCommand],
  ['trace', async () => (await import('./trace-command.ts')).addTraceCommand],
  ['workingset', async () => (await import('./working-set-command.ts')).addWorkingSetCommand],
  ['profile', async () => (await import('./profile-command.ts')).addProfileCommand],
  ['conform', async () => (await import('./conform-command.ts')).addConformCommand],
  ['calibrate', async () => (await import('./calibrate-command.ts')).addCalibrateCommand],
  ['validate', async () => (await import('./validate-command.ts')).addValidateCommand],
  ['reproduce', async () => (await import('./reproduce-command.ts')).addReproduceCommand],
  ['probe', async () => (await import('./probe-command.ts')).addProbeCommand],
]

/** With the command that is asked for, or with all of them for the help and for an unknown one. */
async function createProgram(command: string | undefined): Promise<Command> {
  const program = new Command('lazyrestore')
    .description('Predict, measure and do a lazy restore of a VM snapshot.')
    .version(VERSION)
    .showHelpAfterError('(lazyrestore COMMAND --help shows options and an example)')
    .exitOverride()
  const named = COMMANDS.filter(([name]) => name === command)
  for (const [, load] of named.length > 0 ? named : COMMANDS) (await load())(program)
  return program
}

async function main(): Promise<number> {
  try {
    const program = await createProgram(process.argv[2])
    await program.parseAsync(process.argv)
    // A command that passes on another process's exit code has set it.
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE
    if (!(error instanceof LazyRestoreError)) throw error
    process.stderr.write(`lazyrestore: ${error.message}\n`)
    return error.code === 'usage' ? EXIT_USAGE : EXIT_FAILED
  }
}

// A reader that has seen enough (head, less) closes the pipe; that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  process.stderr.write(`lazyrestore: stdout: ${error.message}\n`)
  process.exit(EXIT_FAILED)
})
process.exitCode = await main()
