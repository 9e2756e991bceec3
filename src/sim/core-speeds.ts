/** How much of a core a thread gets that could run all the time. */

export interface CoreSpeeds {
  readonly cores: number
  /** CPU time that a thread gets which could run all the time, per mille: alone on the host; while all cores are busy. */
  readonly threadAlonePerMille: number
  readonly threadAllPerMille: number
}

/** What a ns of a core's work takes while `busy` of the cores are: linear between one and all of them. */
export function coreSlowness({ cores, threadAlonePerMille, threadAllPerMille }: CoreSpeeds, busy: number): number {
  const alone = threadAlonePerMille / 1000
  const all = threadAllPerMille / 1000
  return 1 / (busy <= 1 ? alone : alone + ((all - alone) * (busy - 1)) / (cores - 1))
}
