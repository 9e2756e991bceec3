/** Copies a text, and says so. */
import { useEffect, useState } from 'preact/hooks'

const SHOWN_MS = 1500

export function CopyButton({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [outcome, setOutcome] = useState<string | null>(null)
  useEffect(() => {
    if (outcome === null) return
    const timer = setTimeout(() => setOutcome(null), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [outcome])
  const copy = (): void => {
    // Pages that are reached over plain HTTP under another name than localhost have no clipboard.
    const written = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error('no clipboard'))
    written.then(
      () => setOutcome('Copied'),
      () => setOutcome('Select and copy'),
    )
  }
  return (
    <button type="button" class="small" onClick={copy}>
      <span role="status">{outcome ?? label}</span>
    </button>
  )
}
