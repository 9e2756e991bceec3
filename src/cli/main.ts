#!/usr/bin/env node
/**
 * The command line. Results go to stdout, progress and errors to stderr; the exit code is 0, 1 when the work failed, 2 when
 * the command line is wrong. Commands load what they need when they run, so that `--help` is quick.
 */
import { Command, CommanderError } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import { addCalibrateCommand } from './calibrate-command.ts'
import { addCompareCommand } from './compare-command.ts'
import { addConformCommand } from './conform-command.ts'
import { addInspectCommand } from './inspect-command.ts'
import { addProbeCommand } from './probe-command.ts'
import { addProfileCommand } from './profile-command.ts'
import { addServeCommand } from './serve-command.ts'
import { addSnapshotCommand } from './snapshot-command.ts'
import { addTraceCommand } from './trace-command.ts'
import { addValidateCommand } from './validate-command.ts'
import { addWorkingSetCommand } from './working-set-command.ts'

const EXIT_FAILED = 1
const EXIT_USAGE = 2

function createProgram(): Command {
  const program = new Command('lazyrestore')
    .description('Predict, measure and do a lazy restore of a VM snapshot.')
    .showHelpAfterError('(lazyrestore COMMAND --help shows options and an example)')
    .exitOverride()
  addInspectCommand(program)
  addCompareCommand(program)
  addServeCommand(program)
  addSnapshotCommand(program)
  addTraceCommand(program)
  addWorkingSetCommand(program)
  addProfileCommand(program)
  addConformCommand(program)
  addCalibrateCommand(program)
  addValidateCommand(program)
  addProbeCommand(program)
  return program
}

async function main(): Promise<number> {
  try {
    await createProgram().parseAsync(process.argv)
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE
    if (!(error instanceof LazyRestoreError)) throw error
    process.stderr.write(`lazyrestore: ${error.message}\n`)
    return error.code === 'usage' ? EXIT_USAGE : EXIT_FAILED
  }
}

// A reader that has seen enough (head, less) closes the pipe; that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})
process.exitCode = await main()
