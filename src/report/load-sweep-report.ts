/** The report of a sweep, loaded when it is asked for, as it loads Observable Plot. */

export async function loadSweepReport(): Promise<typeof import('./sweep-html.ts').renderSweepReport> {
  return (await import('./sweep-html.ts')).renderSweepReport
}
