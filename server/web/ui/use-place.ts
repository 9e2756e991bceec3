/** The place that the page shows, and how to change it. */
import { useEffect, useState } from 'preact/hooks'
import { addressOf, type Place, parsePlace } from '../router.ts'

const CHANGED = 'hashchange'

export function usePlace(): Place {
  const [place, setPlace] = useState(() => parsePlace(location.hash))
  useEffect(() => {
    const update = (): void => setPlace(parsePlace(location.hash))
    addEventListener(CHANGED, update)
    return () => removeEventListener(CHANGED, update)
  }, [])
  return place
}

export function goTo(address: string): void {
  location.hash = address
}

/** Changes parts of the query without a step in the history: a look at a place is no journey. */
export function changeQuery(changes: Readonly<Record<string, string | undefined>>): void {
  const { path, query } = parsePlace(location.hash)
  history.replaceState(null, '', addressOf(path, { ...query, ...changes }))
  dispatchEvent(new Event(CHANGED))
}
