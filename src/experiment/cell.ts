/**
 * One restore as text: what experiments and sweeps are made of. Each text is a spec string, or names a file; what it stands
 * for is looked up where the restore is done.
 */

export interface Cell {
  readonly index: number
  readonly policy: string
  readonly workload: string
  readonly storage: string
  readonly layout: string
  readonly repetition: number
  /**
   * The first seed and the repetition, so that repetitions differ, and cells that are compared with each other (one
   * repetition of several policies) run the same workload on the same memory.
   */
  readonly seed: number
}
