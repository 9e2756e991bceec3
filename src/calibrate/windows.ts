/** A schedule of windows that measuring threads share: in every second one a thread works beside others, in the rest alone. */

/** Of one window. */
export const WINDOW_NS = 25e6
/** For all threads to start. */
export const LEAD_NS = 300e6
/** At the ends of a window no thread knows whether another one works. */
export const MARGIN_NS = 2e6

export interface WindowsJob {
  /** CLOCK_MONOTONIC at which the first window starts. */
  readonly startNs: number
  readonly windows: number
}

/** For threads to run through the windows that the time has, and to start and end. */
export function limitMsOf(budgetMs: number): number {
  return LEAD_NS / 1e6 + budgetMs + 10_000
}

/** As many windows as the time has, an even number. */
export function windowsIn(budgetMs: number): number {
  return 2 * Math.max(1, Math.floor((budgetMs * 1e6) / (2 * WINDOW_NS)))
}

export function isBeside(window: number): boolean {
  return window % 2 === 1
}

/** The window that a moment lies in; null: too near to its ends. */
export function windowAt({ startNs }: WindowsJob, nowNs: number): number | null {
  const window = Math.floor((nowNs - startNs) / WINDOW_NS)
  const intoNs = nowNs - startNs - window * WINDOW_NS
  return intoNs < MARGIN_NS || intoNs > WINDOW_NS - MARGIN_NS ? null : window
}
