/**
 * What importers share. An importer reads one format of somebody else's and names the faults in it one by one; where a fault
 * lies in the snapshot's memory, and when, is worked out behind it (`address-map.ts`, `fault-collector.ts`).
 */
import type { OptionRules, ResolvedOptions } from '../../core/spec-string.ts'
import type { ByteSource } from '../../snapshot/byte-source.ts'

/** What a format says of a fault. */
export interface FoundFault {
  /** The RAM block in which `address` is an offset; null: an address, which the address map places. */
  readonly block: string | null
  /** In bytes. */
  readonly address: number
  /** From any beginning, in ns; null where the format has no times. */
  readonly timeNs: number | null
  readonly write: boolean
  /** Who faulted, as the format names it (thread, vCPU); one vCPU of the trace each. */
  readonly who: string
}

/** Takes the faults in the order of the file. `where` names file and line or offset, for messages. */
export interface FaultSink {
  add(fault: FoundFault, where: string): void
}

export interface Importer<R extends OptionRules = OptionRules> {
  readonly name: string
  /** One line for `--help`. */
  readonly summary: string
  /** Where the format is specified, or what writes it. */
  readonly source: string
  /** The file has times; the order of the faults only; or neither, and pages come by address. */
  readonly has: 'times' | 'order' | 'set'
  readonly options: R
  /** Whether the beginning of a file (Latin-1, up to 64 KiB) looks like this format. */
  detect(head: string): boolean
  /** @throws LazyRestoreError `format` with the place that is wrong */
  read(source: ByteSource, sink: FaultSink, options: ResolvedOptions<R>): Promise<void>
}

/** Ties the options' types of an importer together; returns it as it is. */
export function defineImporter<R extends OptionRules>(importer: Importer<R>): Importer<R> {
  return importer
}
