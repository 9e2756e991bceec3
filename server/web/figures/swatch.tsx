/** The line by which figures show a policy. */
import type { Series } from './series.ts'

export function Swatch({ series: { color, dash } }: { series: Series }) {
  return (
    <svg class="swatch" width="18" height="8" aria-hidden="true">
      <line x1="1" x2="17" y1="4" y2="4" stroke={color} stroke-width="2.5" stroke-dasharray={dash?.join(' ')} />
    </svg>
  )
}
