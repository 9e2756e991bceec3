/** Residency over time, out of what each thread saw. */
import type { ResidencyPoint } from '../../engine/result.ts'

const RESIDENCY_POINTS = 512

/**
 * The threads' series in one, of bounded length. A thread adds to the common sum first and looks at the clock then; one that
 * was taken off its CPU in between has a sum that others have passed, and its point goes.
 * @param series by thread: [clock in ns, bytes installed by all threads until then]
 * @param residentAtStart bytes
 * @returns points from 0 at `startNs` on; neither time nor bytes ever fall
 */
export function mergeResidency(
  series: readonly (readonly (readonly [ns: number, bytes: number])[])[],
  startNs: number,
  residentAtStart: number,
): readonly ResidencyPoint[] {
  let most = 0
  const points: ResidencyPoint[] = []
  for (const [ns, bytes] of series.flat().sort((a, b) => a[0] - b[0])) {
    if (bytes < most) continue
    most = bytes
    points.push({ timeNs: ns - startNs, bytes: residentAtStart + bytes })
  }
  const stride = Math.ceil((points.length + 1) / RESIDENCY_POINTS)
  const kept = points.filter((_, i) => i % stride === stride - 1 || i === points.length - 1)
  return [{ timeNs: 0, bytes: residentAtStart }, ...kept]
}
