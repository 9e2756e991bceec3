/**
 * The seam for a format: one object a format, in a file of its own, listed in `readers.ts`. docs/formats.md says how to add
 * one. A reader looks at headers and tables only, checks every length and offset before it uses it, and answers with RAM
 * blocks over one source: the file itself where each block's pages lie in order, else a `ScatteredSource`.
 */
import type { OptionRules, ResolvedOptions } from '../../core/spec-string.ts'
import type { Snapshot, SnapshotFormat } from '../snapshot.ts'
import type { Subject } from '../stored-file.ts'

export interface SnapshotReader<R extends OptionRules = OptionRules> {
  /** How the format is named in `FORMAT:PATH` and in answers. */
  readonly format: SnapshotFormat
  /** Who writes such files. */
  readonly writtenBy: string
  /** What may follow the path in `FORMAT:PATH,key=value`. */
  readonly options: R
  /**
   * Whether the content is of this format, by its first bytes or by what lies beside it. Of files without a header the name
   * may decide. Costs a few small reads at most, and never throws for what is another format's.
   */
  recognises(subject: Subject): boolean | Promise<boolean>
  /**
   * The subject's snapshot; `openOther` is for those that are made over others. Closing it closes nothing: the files belong to who opened the subject.
   * @throws LazyRestoreError `format`, `unsupported`, `limit` or `io`, naming file, offset, field, found and expected
   */
  read(subject: Subject, options: ResolvedOptions<R>, openOther: OpenOther): Promise<Snapshot>
}

/** Opens another snapshot that a subject names, from its own folder on. */
export type OpenOther = (name: string) => Promise<Snapshot>

/** Keeps the literal types of the options. */
export function snapshotReader<R extends OptionRules>(reader: SnapshotReader<R>): SnapshotReader<R> {
  return reader
}
