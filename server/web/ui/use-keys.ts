/** Keys that act on the page. They are silent while one types, and with a modifier, which is the browser's. */
import { useEffect } from 'preact/hooks'

export function useKeys(actions: Readonly<Record<string, () => void>>): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return
      const action = actions[event.key]
      if (action === undefined) return
      event.preventDefault()
      action()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  })
}

const TYPING =
  'input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, dialog[open] *, [contenteditable]'

function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.matches(TYPING)
}
