/** A Perfetto trace that is written restore by restore, as they come: a timeline may be large. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { LazyRestoreError } from '../core/error.ts'
import type { RestoreResult } from '../engine/result.ts'
import { PerfettoTrace } from '../report/perfetto.ts'
import type { Timeline } from '../sim/timeline.ts'

export class TimelineFile {
  readonly #file: string
  readonly #trace = new PerfettoTrace()
  #descriptor: number | null = null

  /** @throws LazyRestoreError `usage` for an engine that records none */
  constructor(file: string, engine: string) {
    if (engine !== 'sim') {
      throw new LazyRestoreError(
        'usage',
        `--perfetto: found it with --engine ${engine}, expected sim, which knows each step`,
      )
    }
    this.#file = file
  }

  /** What the file held is gone then. @throws LazyRestoreError `io` when it cannot be written */
  open(): void {
    this.#descriptor = this.#orSay(() => openSync(this.#file, 'w'))
  }

  readonly add = (timeline: Timeline, result: RestoreResult): void => {
    const piece = this.#trace.add({ result, timeline })
    this.#orSay(() => {
      for (let at = 0; at < piece.length; ) at += writeSync(this.#descriptor!, piece, at)
    })
  }

  /** Returns the name of the file; nothing when it is not open. */
  close(): string[] {
    if (this.#descriptor === null) return []
    closeSync(this.#descriptor)
    this.#descriptor = null
    return [this.#file]
  }

  #orSay<T>(work: () => T): T {
    try {
      return work()
    } catch (cause) {
      throw new LazyRestoreError('io', `${this.#file}: ${(cause as Error).message}`, { cause })
    }
  }
}
