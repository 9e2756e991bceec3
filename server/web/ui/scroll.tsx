/** What may be wider than the page: it scrolls by itself, by keyboard too. */
import type { ComponentChildren } from 'preact'

interface ScrollProps {
  /** Id of the heading that names it. */
  readonly labelledBy: string
  readonly children: ComponentChildren
}

export function Scroll({ labelledBy, children }: ScrollProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="scroll" tabIndex={0} aria-labelledby={labelledBy}>
      {children}
    </section>
  )
}
