/** `validate`: predict, restore for real, and tell how far off the prediction was. */
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { Command } from 'commander'
import { type Calibration, calibrate } from '../calibrate/calibrate.ts'
import { medianProfile } from '../calibrate/median-profile.ts'
import { LazyRestoreError } from '../core/error.ts'
import { formatShare, MIB, parseCount, parseShare } from '../core/units.ts'
import { parseHostPages } from '../destination/host-pages.ts'
import { createLayout } from '../destination/layout.ts'
import { TOLERABLE_SHARE, undisturbed } from '../experiment/others-load.ts'
import { summariseErrors, type ValidationResult, validate } from '../experiment/validation.ts'
import { VALIDATION_CASES, VALIDATION_SNAPSHOT, type ValidationCase } from '../experiment/validation-cases.ts'
import { renderValidation, renderValidationMarkdown } from '../report/validation-table.ts'
import { deviceOf, type HostProfile } from '../sim/host-profile.ts'
import { createSimEngine } from '../sim/sim-engine.ts'
import { asFile } from '../snapshot/as-file.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { parseStorage } from '../storage/device.ts'
import { hostStorage } from '../storage/host-storage.ts'
import { checkHost } from './engines.ts'
import { loadHostProfile } from './options.ts'
import { Progress } from './progress.ts'
import {
  findZerosOption,
  offsetOption,
  openForRestore,
  SNAPSHOT_HELP,
  type SnapshotOptions,
} from './snapshot-options.ts'

/** In all, of each calibration, while others take too much of the host's CPU time. */
const CALIBRATION_TRIES = 2

interface ValidateOptions extends SnapshotOptions {
  readonly profile?: string
  readonly only?: string
  readonly repetitions: string
  readonly maxError: string
  readonly seed: string
  readonly markdown?: string
  readonly json?: boolean
}

const EXAMPLE = `
Examples:
  lazyrestore validate                                # calibrates between its rounds
  lazyrestore validate vm.mig --profile host.json --only kvm,lazy --repetitions 9
Exit code 1 when a prediction of the time to work done is off by more than --max-error.`

export function addValidateCommand(program: Command): void {
  program
    .command('validate')
    .description('Predict restores from a calibrated profile, do them on this host, and compare.')
    .argument('[snapshot]', SNAPSHOT_HELP, VALIDATION_SNAPSHOT)
    .option(
      '--profile <file>',
      "this host's costs, as `lazyrestore calibrate` measures them; measured between the rounds when not given",
    )
    .option('--only <words>', 'only cases that have all of these words, separated by commas: kvm, lazy, cold, 2M, …')
    .option('--repetitions <n>', 'real restores of each case, in turns', '5')
    .option('--max-error <share>', 'largest error of a time to work done that is no failure', '35%')
    .option('--seed <n>', 'for everything that is drawn at random', '1')
    .addOption(offsetOption())
    .addOption(findZerosOption())
    .option('--markdown <file>', 'write the tables as Markdown')
    .option('--json', 'print the results as JSON')
    .addHelpText('after', EXAMPLE)
    .action(runValidate)
}

async function runValidate(name: string, options: ValidateOptions): Promise<void> {
  const given = options.profile === undefined ? null : await loadHostProfile(options.profile, undefined)
  const repetitions = parseCount(options.repetitions, '--repetitions')
  if (repetitions < 1) throw new LazyRestoreError('usage', '--repetitions: found 0, expected at least 1')
  const maxError = parseShare(options.maxError, '--max-error')
  const chosen = chooseCases(options.only)
  // Asked for again when all has been measured; a profile without a device is to fail now.
  if (given !== null) parseStorage('host', deviceOf(given))
  await checkHost('uffd', 'validate')
  const opened = await openForRestore(name, options)
  const { cases, leftOut } = await possibleCases(chosen, opened)
  const progress = new Progress()
  const snapshot = await asFile(opened, progress)
  const { createKvmEngine, createUffdEngine } = await import('../uffd/engine/kernel-engine.ts')
  const { readAnew } = await import('../uffd/engine/file-cache-state.ts')
  const { useMemory } = await import('../uffd/used-memory.ts')
  const { distinctFiles, snapshotFiles } = await import('../uffd/engine/snapshot-files.ts')
  const { byteLength } = createLayout(snapshot, parseHostPages('4K'))
  const notes = new Set<string>()
  const onNote = (note: string) => void notes.add(note)
  const engines = { uffd: createUffdEngine({ onNote }), kvm: createKvmEngine({ onNote }) }
  const profiles: HostProfile[] = given === null ? [] : [given]
  let known: HostProfile | null = null
  const profile = (): HostProfile => {
    known ??= medianProfile(profiles)
    return known
  }
  try {
    const results = await validate({
      snapshot,
      cases,
      repetitions,
      seed: parseCount(options.seed, '--seed'),
      beforeRound: async round => {
        if (given !== null) return
        progress.update(`round ${round}/${repetitions}: calibrating`)
        const { outcome } = await undisturbed(() => calibrate({ folder: tmpdir(), quick: true }), CALIBRATION_TRIES)
        for (const note of outcome.notes) notes.add(note)
        checkDevice(outcome)
        profiles.push(outcome.profile)
      },
      // A hypervisor may have had back what the machine has not used for seconds, and gives it again page by page. The memory
      // of the restore and of the page cache is to be the machine's own, as it is where costs are calibrated: it is used, and
      // free again at once.
      beforeRestore: async ({ cache }) => {
        if (cache === 'cold') for (const path of distinctFiles(snapshotFiles(snapshot))) await readAnew(path)
        useMemory(byteLength)
      },
      predictorOf: engine => createSimEngine(profile(), { guest: engine === 'kvm' }),
      engineOf: engine => engines[engine],
      predictedStorageOf: cache => parseStorage(`host:cache=${cache}`, deviceOf(profile())),
      measuredStorageOf: cache => hostStorage(`host:cache=${cache}`),
      onProgress: text => progress.update(text),
    })
    progress.done()
    await show(results, [...leftOut, ...notes, ...disturbances(results)], profile(), options)
    checkErrors(results, maxError)
  } finally {
    progress.done()
    for (const engine of Object.values(engines)) await engine.close()
    await snapshot.close()
  }
}

/** Nothing can be predicted without one; better now than when all has been measured. */
function checkDevice({ profile, notes }: Calibration): void {
  if (profile.device !== undefined) return
  const why = notes.find(note => note.includes('device')) ?? 'found no device'
  throw new LazyRestoreError(
    'unsupported',
    `${tmpdir()}: ${why}; TMPDIR names another folder, --profile a profile with a device`,
  )
}

function chooseCases(only: string | undefined): readonly ValidationCase[] {
  if (only === undefined) return VALIDATION_CASES
  const words = only.split(',')
  const chosen = VALIDATION_CASES.filter(given => {
    const texts = [given.engine, given.policy, given.policy.split(':')[0], given.workload, given.workload.split(':')[0]]
    return words.every(word => [...texts, given.hostPages, given.cache].includes(word))
  })
  if (chosen.length > 0) return chosen
  throw new LazyRestoreError('usage', `--only: found "${only}", which no case has; see docs/fidelity.md for the cases`)
}

/** The cases that this host has everything for, and a line for each thing that it has not. */
async function possibleCases(
  chosen: readonly ValidationCase[],
  snapshot: Snapshot,
): Promise<{ cases: readonly ValidationCase[]; leftOut: string[] }> {
  const { kvmReason } = await import('../uffd/kvm/vm.ts')
  const { hugePageReason } = await import('../uffd/huge-pages.ts')
  const { hostPageCount } = createLayout(snapshot, parseHostPages('2M'))
  const needs: [reason: string | null, isOf: (given: ValidationCase) => boolean][] = [
    [kvmReason(), ({ engine }) => engine === 'kvm'],
    [hugePageReason(2 * MIB, hostPageCount), ({ hostPages }) => hostPages === '2M'],
  ]
  let cases = chosen
  const leftOut: string[] = []
  for (const [reason, isOf] of needs) {
    const rest = cases.filter(given => !isOf(given))
    if (reason === null || rest.length === cases.length) continue
    if (rest.length === 0) throw new LazyRestoreError('unsupported', `validate: ${reason}`)
    const count = cases.length - rest.length
    leftOut.push(`${count} ${count === 1 ? 'case is' : 'cases are'} left out: ${reason}.`)
    cases = rest
  }
  return { cases, leftOut }
}

async function show(
  results: readonly ValidationResult[],
  notes: readonly string[],
  { name, host, parameters, device }: HostProfile,
  options: ValidateOptions,
): Promise<void> {
  if (options.json)
    process.stdout.write(
      `${JSON.stringify({ profile: { name, host, parameters, device }, results, notes }, null, 2)}\n`,
    )
  else {
    process.stdout.write(renderValidation(results))
    for (const note of [`Profile ${name}: ${host}.`, ...notes]) process.stdout.write(`${note}\n`)
  }
  if (options.markdown !== undefined) await writeFile(options.markdown, renderValidationMarkdown(results))
}

/** How often others took CPU time all the same. */
function disturbances(results: readonly ValidationResult[]): string[] {
  const shares = results.flatMap(({ othersShares }) => othersShares)
  const disturbed = shares.filter(share => share > TOLERABLE_SHARE).length
  if (disturbed === 0) return []
  const most = formatShare(TOLERABLE_SHARE)
  return [
    `In ${disturbed} of ${shares.length} restores others took more than ${most} of the CPU time, each time it was tried.`,
  ]
}

/** @throws LazyRestoreError `limit` when a prediction is off by more */
function checkErrors(results: readonly ValidationResult[], maxError: number): void {
  const summary = summariseErrors(results, 'workDoneNs')
  if (summary === null || summary.worst <= maxError) return
  throw new LazyRestoreError(
    'limit',
    `validate: found a worst error of ${formatShare(summary.worst)} in the time to work done, expected at most ${formatShare(maxError)}`,
  )
}
