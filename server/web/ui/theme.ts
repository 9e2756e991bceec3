/** Dark or light: what the system says, or what was chosen here; and colours of the style sheet for canvases. */
import { useEffect, useState } from 'preact/hooks'

export type Theme = 'system' | 'light' | 'dark'

const THEMES: readonly Theme[] = ['system', 'light', 'dark']
const KEY = 'lazyrestore-theme'
const CHANGED = 'themechange'
const isDark = matchMedia('(prefers-color-scheme: dark)')
isDark.addEventListener('change', () => dispatchEvent(new Event(CHANGED)))

export function currentTheme(): Theme {
  const kept = localStorage.getItem(KEY) as Theme | null
  return kept !== null && THEMES.includes(kept) ? kept : 'system'
}

export function setTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme)
  applyTheme()
  dispatchEvent(new Event(CHANGED))
}

export function nextTheme(theme: Theme): Theme {
  return THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]
}

/** Call once before anything is drawn. */
export function applyTheme(): void {
  document.documentElement.dataset.theme = currentTheme()
}

/** Changes whenever colours do; what draws by itself depends on it. */
export function useThemeCount(): number {
  const [changes, setChanges] = useState(0)
  useEffect(() => {
    const count = (): void => setChanges(before => before + 1)
    addEventListener(CHANGED, count)
    return () => removeEventListener(CHANGED, count)
  }, [])
  return changes
}

/** The value that a colour of the style sheet has now, as `rgb(…)`. @param name `--accent` */
export function cssColor(name: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(${name})`
  document.body.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}
