/** The engines by name, as `--engine` chooses them, and what a real one needs: the host's parts, and real storage. */
import type { Command } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import type { Engine } from '../engine/engine.ts'
import type { QemuEngine } from '../qemu/engine/qemu-engine.ts'
import { FREE_FAULT_PATH, parseFaultPath } from '../sim/fault-path.ts'
import type { HostProfile } from '../sim/host-profile.ts'
import { createSimEngine, type SimEngineOptions } from '../sim/sim-engine.ts'
import type { Storage } from '../storage/device.ts'
import { hostStorage } from '../storage/host-storage.ts'
import type { KernelEngineOptions } from '../uffd/engine/kernel-engine.ts'
import { loadStorage, STORAGE_HELP } from './options.ts'
import { createQemuEngineFrom, type QemuEngineOptions, refuseQemuOptions } from './qemu-engine.ts'

const ENGINES = ['sim', 'uffd', 'kvm', 'qemu'] as const
type EngineChoice = (typeof ENGINES)[number]

export const ENGINE_HELP =
  'sim: predict in virtual time; uffd: measure on the userfaultfd of this host, with threads that touch; kvm: the same, with a KVM guest; qemu: start a QEMU and restore that'

export const FAULT_PATH_HELP =
  'what faults of several vCPUs do to each other: free (nothing), or locked; options uffds=, lock=, handover=, scan= (docs/model.md)'

export interface EngineOptions extends QemuEngineOptions {
  readonly engine: string
  readonly storage?: string
  readonly cold?: boolean
  readonly warm?: boolean
  readonly verify?: boolean
  readonly faultPath?: string
}

export interface ChosenEngine {
  readonly engine: Engine
  /** One; two where engine qemu is to start both cold and warm. */
  readonly storages: readonly Storage[]
  readonly isReal: boolean
  /** For a VM that does work of its own: what that is, found by a restore. */
  readonly recordWork: QemuEngine['recordWork'] | null
  /** Filled while it restores: what a reader of the results must know. */
  readonly notes: readonly string[]
}

export function addStorageOptions(command: Command): Command {
  return command
    .option('--storage <spec>', `${STORAGE_HELP}; nvme when not given, host with a real engine`)
    .option('--cold', 'the same as cache=cold: nothing of the file is in the page cache; a real engine evicts it')
    .option('--warm', 'the same as cache=warm: all of the file is in the page cache; a real engine reads it in')
}

/**
 * @param onFaults told what the handlers of a real engine were asked for
 * @param simOptions for the simulator
 * @throws LazyRestoreError `usage` for an unknown engine, or storage that does not go with it; `unsupported` for a real engine
 *   that this host cannot run
 */
export async function chooseEngine(
  options: EngineOptions,
  profile: HostProfile,
  onFaults?: KernelEngineOptions['onFaults'],
  simOptions: SimEngineOptions = {},
): Promise<ChosenEngine> {
  const name = ENGINES.find(engine => engine === options.engine)
  if (name === undefined) {
    throw new LazyRestoreError('usage', `--engine: found "${options.engine}", expected one of ${ENGINES.join(', ')}`)
  }
  const storages = storageTexts(options, name)
  if (name !== 'qemu') refuseQemuOptions(options, name)
  if (name === 'sim') {
    if (options.verify) throw new LazyRestoreError('usage', '--verify: found it with --engine sim, which has no memory')
    const faultPath = parseFaultPath(options.faultPath ?? FREE_FAULT_PATH.name)
    const notes = faultPath.name === FREE_FAULT_PATH.name ? [] : [`Faults contend as ${faultPath.name}.`]
    const modelled = storages.map(storage => loadStorage(storage, profile))
    const engine = createSimEngine(profile, { ...simOptions, faultPath })
    return { engine, storages: modelled, isReal: false, recordWork: null, notes }
  }
  if (options.faultPath !== undefined) {
    throw new LazyRestoreError('usage', `--fault-path: found it with --engine ${name}, which has the kernel's own`)
  }
  const notes: string[] = []
  const onNote = (note: string): void => {
    if (!notes.includes(note)) notes.push(note)
  }
  const real = { storages: storages.map(hostStorage), isReal: true, notes }
  if (name === 'qemu') {
    if (options.verify)
      throw new LazyRestoreError('usage', "--verify: found it with --engine qemu, whose memory is QEMU's")
    const engine = await createQemuEngineFrom(options, onNote)
    return { ...real, engine, recordWork: layout => engine.recordWork(layout) }
  }
  await checkHost(name, `--engine ${name}`)
  const { createKvmEngine, createUffdEngine } = await import('../uffd/engine/kernel-engine.ts')
  const create = name === 'uffd' ? createUffdEngine : createKvmEngine
  const engine = create({ verify: options.verify ?? false, onNote, ...(onFaults && { onFaults }) })
  return { ...real, engine, recordWork: null }
}

/**
 * Before anything that takes long: what the engine cannot do without.
 * @param asker what wants it, for the message
 * @throws LazyRestoreError `unsupported`
 */
export async function checkHost(name: 'uffd' | 'kvm', asker: string): Promise<void> {
  const { probe } = await import('../uffd/availability.ts')
  const { koffi, userfaultfd, kvm } = probe()
  const reason = koffi ?? userfaultfd ?? (name === 'kvm' ? kvm : null)
  if (reason !== null) throw new LazyRestoreError('unsupported', `${asker}: ${reason}`)
}

/** `--cold` and `--warm` are short for the storage's option `cache`. */
function storageTexts({ storage, cold, warm }: EngineOptions, engine: EngineChoice): string[] {
  const text = storage ?? (engine === 'sim' ? 'nvme' : 'host')
  if (!cold && !warm) return [text]
  if ((cold && warm && engine !== 'qemu') || text.includes('cache=')) {
    throw new LazyRestoreError('usage', 'found more than one of --cold, --warm and cache= in --storage, expected one')
  }
  const states = [...(cold ? ['cold'] : []), ...(warm ? ['warm'] : [])]
  return states.map(state => `${text}${text.includes(':') ? ',' : ':'}cache=${state}`)
}
