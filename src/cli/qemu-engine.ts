/** `--engine qemu`: its options, and the engine that they make. */
import type { Command } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import { parseDurationNs } from '../core/units.ts'
import type { QemuEngine } from '../qemu/engine/qemu-engine.ts'
import { commandWords } from './command-words.ts'

export interface QemuEngineOptions {
  readonly qemu?: string
  readonly until?: string
  readonly send?: string
  readonly preempt?: boolean
  readonly limit?: string
}

/** What is compared when nothing is asked for: QEMU's own loads, and what can be done in their place. */
export const QEMU_POLICIES = 'eager,eager-multi,lazy-sweep,adaptive,working-set'
export const QEMU_ROUNDS = '3'
const LIMIT = '600s'

export function addQemuEngineOptions(command: Command): Command {
  return command
    .option(
      '--qemu <command line>',
      'with engine qemu: QEMU and its arguments, as the VM was saved, without -qmp and -incoming; @SERIAL and @AGENT stand for sockets',
    )
    .option('--until <sign>', 'with engine qemu: what shows that the work is done: serial:TEXT, port:N or guest-agent')
    .option('--send <text>', 'with engine qemu: what the VM is told when it runs, on its serial port or on that port')
    .option(
      '--preempt',
      "with engine qemu: pages that are asked for go on a connection of their own (QEMU's postcopy-preempt)",
    )
    .option('--limit <time>', `with engine qemu: longest time of one restore and its work; ${LIMIT} when not given`)
}

/** @throws LazyRestoreError `usage` when an option is missing, wrong, or given with another engine */
export async function createQemuEngineFrom(
  { qemu, until, send, preempt = false, limit = LIMIT }: QemuEngineOptions,
  onNote: (note: string) => void,
): Promise<QemuEngine> {
  if (qemu === undefined || until === undefined) {
    const missing = qemu === undefined ? "--qemu 'COMMAND LINE'" : '--until serial:TEXT, port:N or guest-agent'
    throw new LazyRestoreError('usage', `--engine qemu: found no ${missing.split(' ')[0]}, expected ${missing}`)
  }
  const { createQemuEngine } = await import('../qemu/engine/qemu-engine.ts')
  const { parseWorkSign } = await import('../qemu/engine/work-sign.ts')
  const { prepareFileCache } = await import('../uffd/engine/file-cache-state.ts')
  return createQemuEngine({
    command: commandWords(qemu, '--qemu'),
    until: parseWorkSign(until, '--until'),
    send: send ?? null,
    preempt,
    prepareCache: (path, name, warm, storedBytes) => prepareFileCache([path], name, warm, storedBytes),
    limitMs: parseDurationNs(limit, '--limit') / 1e6,
    onNote,
  })
}

/** @throws LazyRestoreError `usage` when an option of engine qemu is given with another one */
export function refuseQemuOptions({ qemu, until, send, preempt, limit }: QemuEngineOptions, engine: string): void {
  const given = Object.entries({ qemu, until, send, preempt, limit }).find(([, value]) => value !== undefined)
  if (given === undefined) return
  throw new LazyRestoreError('usage', `--${given[0]}: found it with --engine ${engine}, expected --engine qemu`)
}
