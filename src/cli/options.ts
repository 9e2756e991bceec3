/** Options that several commands take, and how they become what the library wants. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import { parseSpec } from '../core/spec-string.ts'
import { parseCount } from '../core/units.ts'
import { DEFAULT_HOST_PROFILE, deviceOf, type HostProfile, withCores } from '../sim/host-profile.ts'
import { readHostProfile } from '../sim/read-host-profile.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { DEVICE_PRESETS, parseStorage, type Storage } from '../storage/device.ts'
import { checkWorkloadFits } from '../workload/check.ts'
import { memoryOfSnapshot } from '../workload/memory.ts'
import { createWorkload, WORKLOADS } from '../workload/registry.ts'
import { readTrace } from '../workload/trace-file.ts'
import type { Workload } from '../workload/workload.ts'

export const DEFAULT_SNAPSHOT = 'synthetic:1GiB,zero=60%,seed=1'

/** Threads, seeds and the like: more is a slip of the hand. */
const MOST_OF_A_KIND = 1000

export interface WorkloadOptions {
  readonly workload: string
  readonly seed: string
  readonly vcpus?: string
}

export function addWorkloadOptions(command: Command): Command {
  return command
    .option(
      '--workload <spec>',
      `${WORKLOADS.map(({ name }) => name).join(', ')} with options, or a trace file`,
      'working-set',
    )
    .option('--vcpus <n>', 'vCPUs that share the workload (same as its option vcpus)')
    .option('--seed <n>', 'for everything that is drawn at random', '1')
}

/** What nobody writes who means a generator. */
const LOOKS_LIKE_TRACE = /\/|\.(lrtrace|ndjson|jsonl)$/

/** The workload for a snapshot: generated when the text names a generator, a trace otherwise. */
export async function loadWorkload(text: string, options: WorkloadOptions, snapshot: Snapshot): Promise<Workload> {
  const memory = memoryOfSnapshot(snapshot)
  if (isGenerated(text)) {
    return createWorkload(withVcpus(text, options.vcpus), memory, parseCount(options.seed, '--seed'))
  }
  if (!existsSync(text)) {
    if (LOOKS_LIKE_TRACE.test(text)) throw new LazyRestoreError('io', `${text}: no such file`)
    const known = WORKLOADS.map(({ name }) => name).join(', ')
    const expected = `one of ${known}, or a trace file that is there`
    throw new LazyRestoreError('usage', `workload: found "${text}", expected ${expected}`)
  }
  if (options.vcpus !== undefined) {
    throw new LazyRestoreError(
      'usage',
      `--vcpus: found it with trace ${text}, which has its own, expected one of the two`,
    )
  }
  const workload = await readTrace(text)
  const { identity, name } = snapshot
  checkWorkloadFits(workload, { name, identity, pageCount: memory.pageCount, pageSize: memory.pageSize })
  return workload
}

/** The trace files among texts that {@link loadWorkload} takes. */
export function traceFiles(texts: readonly (string | undefined)[]): string[] {
  return texts.filter(text => text !== undefined).filter(text => !isGenerated(text))
}

function isGenerated(text: string): boolean {
  return WORKLOADS.some(({ name }) => name === text.split(':')[0].trim())
}

function withVcpus(text: string, vcpus: string | undefined): string {
  if (vcpus === undefined) return text
  if (Object.hasOwn(parseSpec(text).options, 'vcpus')) {
    throw new LazyRestoreError(
      'usage',
      `--vcpus: found it beside vcpus= in workload "${text}", expected one of the two`,
    )
  }
  return `${text}${text.includes(':') ? ',' : ':'}vcpus=${parseCount(vcpus, '--vcpus')}`
}

/** The earlier run that working sets are taken from: a trace, or a workload with vCPUs of its own. */
export function loadRecording(
  text: string,
  { workload, seed }: WorkloadOptions,
  snapshot: Snapshot,
): Promise<Workload> {
  return loadWorkload(text, { workload, seed }, snapshot)
}

/** @param what the option, for the message @throws LazyRestoreError `usage` */
export function countFrom(text: string, what: string, least: number): number {
  const count = parseCount(text, what)
  if (count >= least && count <= MOST_OF_A_KIND) return count
  throw new LazyRestoreError('usage', `${what}: found ${count}, expected ${least} to ${MOST_OF_A_KIND}`)
}

/** The host profile in a file, or the default one; `cores` replaces its cores. */
export async function loadHostProfile(file: string | undefined, cores: string | undefined): Promise<HostProfile> {
  const profile = file === undefined ? DEFAULT_HOST_PROFILE : readHostProfile(file)
  if (cores === undefined) return profile
  return withCores(profile, cores, '--cores')
}

export const STORAGE_HELP = `${DEVICE_PRESETS.map(({ name }) => name).join(', ')}, or host: the profile's device; options cache=cold|warm, latency=, bandwidth=, local=, ratio=, … (docs/storage.md)`

/** The storage of a restore; `host` is the device that the profile has. */
export function loadStorage(text: string, profile: HostProfile): Storage {
  return parseStorage(text, deviceOf(profile))
}
