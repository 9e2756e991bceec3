/** The bar at the top: where one can go, the theme, the keyboard. */
import { useState } from 'preact/hooks'
import type { Place } from '../router.ts'
import { currentTheme, nextTheme, setTheme } from './theme.ts'

interface HeaderProps {
  readonly place: Place
  readonly onKeys: () => void
  /** Null: there is no token to forget. */
  readonly onForget: (() => void) | null
}

const THEME_ICONS = { system: '◐', light: '☀', dark: '☾' }

export function Header({ place, onKeys, onForget }: HeaderProps) {
  const [theme, show] = useState(currentTheme)
  const [page = ''] = place.path
  const change = (): void => {
    const next = nextTheme(theme)
    setTheme(next)
    show(next)
  }
  return (
    <header class="top">
      <a class="brand" href="#/">
        <span class="logo" aria-hidden="true" />
        lazyrestore
      </a>
      <nav aria-label="Pages">
        <a href="#/" aria-current={page === '' ? 'page' : undefined}>
          Experiments
        </a>
        <a href="#/new" aria-current={page === 'new' ? 'page' : undefined}>
          New
        </a>
        <a href="/docs">API</a>
      </nav>
      <div class="tools">
        {onForget !== null && (
          <button type="button" class="quiet" onClick={onForget}>
            Forget token
          </button>
        )}
        <button type="button" class="quiet" aria-label={`Theme: ${theme}`} title={`Theme: ${theme}`} onClick={change}>
          <span aria-hidden="true">{THEME_ICONS[theme]}</span>
        </button>
        <button
          type="button"
          class="quiet keys-button"
          aria-label="Keyboard shortcuts"
          title="Keyboard (?)"
          onClick={onKeys}
        >
          ?
        </button>
      </div>
    </header>
  )
}
