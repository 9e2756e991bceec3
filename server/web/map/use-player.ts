/** Moves the slider by the clock: the whole axis in some seconds, from where it stands, or from the start when it is at the end. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { STEPS } from './timeline.tsx'

const WHOLE_MS = 8000

export interface Player {
  readonly isPlaying: boolean
  readonly toggle: () => void
  readonly stop: () => void
}

export function usePlayer(step: number, onStep: (step: number) => void): Player {
  const [isPlaying, setPlaying] = useState(false)
  const latest = useRef(onStep)
  latest.current = onStep
  // It starts where the slider stands at that moment.
  useEffect(() => {
    if (!isPlaying) return
    const from = step >= STEPS ? 0 : step
    const startMs = performance.now()
    let frame = requestAnimationFrame(function move(nowMs) {
      const next = Math.min(STEPS, from + ((nowMs - startMs) / WHOLE_MS) * STEPS)
      latest.current(next)
      if (next >= STEPS) setPlaying(false)
      else frame = requestAnimationFrame(move)
    })
    return () => cancelAnimationFrame(frame)
  }, [isPlaying])
  return { isPlaying, toggle: () => setPlaying(before => !before), stop: () => setPlaying(false) }
}
