/** The place that the page shows, and how to change it. */
import { useEffect, useLayoutEffect, useState } from 'preact/hooks'
import { addressOf, type Place, parsePlace } from '../router.ts'

const CHANGED = 'hashchange'

/** The path that is on the page; where the browser goes, the address says first. */
let shownPath = pathOf(parsePlace(location.hash))

export function usePlace(): Place {
  const [place, setPlace] = useState(() => parsePlace(location.hash))
  useEffect(() => {
    const update = (): void => setPlace(parsePlace(location.hash))
    addEventListener(CHANGED, update)
    return () => removeEventListener(CHANGED, update)
  }, [])
  useLayoutEffect(() => {
    shownPath = pathOf(place)
  }, [place])
  return place
}

export function goTo(address: string): void {
  location.hash = address
}

/**
 * Changes parts of the query without a step in the history: a look at a place is no journey. Nothing, where the address is
 * another place's by now, which is about to be shown.
 */
export function changeQuery(changes: Readonly<Record<string, string | undefined>>): void {
  const place = parsePlace(location.hash)
  if (pathOf(place) !== shownPath) return
  history.replaceState(null, '', addressOf(place.path, { ...place.query, ...changes }))
  dispatchEvent(new Event(CHANGED))
}

/** As text, which can be compared. */
function pathOf({ path }: Place): string {
  return addressOf(path, {})
}
