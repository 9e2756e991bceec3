/**
 * The figures of a comparison as SVG text. A policy has one colour in all of them. Loading this file loads Observable
 * Plot, so callers import it only when a figure is wanted.
 */
import type { RestoreResult } from '../engine/result.ts'
import { latencyFigure } from './latency-figure.ts'
import type { Figure } from './plot.ts'
import { residencyFigure } from './residency-figure.ts'
import { toSeries } from './series.ts'
import { timesFigure } from './times-figure.ts'

export type { Figure } from './plot.ts'

/** Times, residency and fault latency; those for which the records have nothing to show are left out. */
export function renderFigures(results: readonly RestoreResult[]): Figure[] {
  if (results.length === 0) return []
  const series = toSeries(results)
  return [timesFigure(series), residencyFigure(series), latencyFigure(series)].filter(figure => figure !== null)
}

/** The figure as a file of its own: on white, since it cannot know what it will stand on. */
export function standaloneSvg({ svg }: Figure): string {
  return `${svg.replace('background:transparent;color:currentColor', 'background:white;color:#1a1a1a')}\n`
}
