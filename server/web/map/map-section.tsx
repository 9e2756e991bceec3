/** The memory map: two restores side by side at one time, with a slider and play. */
import type { ExperimentRecord } from 'lazyrestore/client'
import { useEffect, useState } from 'preact/hooks'
import { placeAt, type ScaleName, timeAt, timeScale } from '../figures/scale.ts'
import type { ResultSeries } from '../figures/series.ts'
import { Swatch } from '../figures/swatch.tsx'
import { numberIn, type Place } from '../router.ts'
import { useApi } from '../ui/api.ts'
import { Failure, Loading } from '../ui/states.tsx'
import { useAsync } from '../ui/use-async.ts'
import { useKeys } from '../ui/use-keys.ts'
import { changeQuery } from '../ui/use-place.ts'
import { MapCanvas } from './map-canvas.tsx'
import { STEPS, Timeline } from './timeline.tsx'
import { usePlayer } from './use-player.ts'
import { windowQuery, zoomed } from './window.ts'
import { ZoomBar } from './zoom-bar.tsx'

interface MapSectionProps {
  readonly experiment: ExperimentRecord
  /** Index of the slice's first cell. */
  readonly firstCell: number
  readonly series: readonly ResultSeries[]
  readonly scale: ScaleName
  readonly query: Place['query']
}

/** As many runs as the server gives: the fewer pages a run has, the better its times are known. */
const MOST_RUNS = 65_536
/** The address follows the slider when it has come to rest. */
const REST_MS = 300
const KEY_STEPS = 10
const CLICK_ZOOM = 8

export function MapSection(props: MapSectionProps) {
  const { experiment } = props
  return (
    <section class="panel maps" aria-labelledby="map-title">
      <header>
        <h2 id="map-title">Memory map</h2>
        <span class="dim">a cell is a run of host pages, from the lowest address on; a click looks closer</span>
      </header>
      {experiment.spec.engine === 'sim' ? (
        <Maps {...props} />
      ) : (
        <p class="state">Engine {experiment.spec.engine} keeps no record of each page; engine sim does.</p>
      )}
    </section>
  )
}

function Maps({ experiment, firstCell, series, scale: scaleName, query }: MapSectionProps) {
  const [left, right] = chosenSides(series, query)
  const shown = { from: numberIn(query, 'from') ?? 0, count: numberIn(query, 'count') }
  const maps = [
    useMap(experiment.id, firstCell + left.policy, shown),
    useMap(experiment.id, firstCell + right.policy, shown),
  ]
  const known = maps.find(({ map }) => map !== null)?.map ?? null
  const ends = maps.map(({ map }) => map?.endNs ?? 0)
  const times = [left, right].flatMap(({ result }) => [result.resumeNs, result.workDoneNs, result.residentNs ?? 0])
  const scale = timeScale(scaleName, [...times, ...ends])
  const given = numberIn(query, 't')
  const [timeNs, setTimeNs] = useState(given ?? Math.min(left.result.workDoneNs, right.result.workDoneNs))
  const step = placeAt(scale, timeNs) * STEPS
  const moveTo = (next: number): void => setTimeNs(timeAt(scale, Math.min(STEPS, Math.max(0, next)) / STEPS))
  const player = usePlayer(step, moveTo)
  const byHand = (next: number): void => {
    player.stop()
    moveTo(next)
  }
  const zoomTo = (page: number): void => {
    if (known !== null) changeQuery(windowQuery(zoomed(known, known.hostPages, CLICK_ZOOM, page), known.hostPages))
  }
  useKeys({ ' ': player.toggle, ',': () => byHand(step - KEY_STEPS), '.': () => byHand(step + KEY_STEPS) })
  useEffect(() => {
    if (player.isPlaying) return
    const timer = setTimeout(() => {
      const text = String(Math.round(timeNs))
      if (query.t !== text) changeQuery({ t: text })
    }, REST_MS)
    return () => clearTimeout(timer)
  }, [timeNs, player.isPlaying, query.t])
  return (
    <>
      <Timeline
        series={left.policy === right.policy ? [left] : [left, right]}
        scale={scale}
        step={step}
        timeNs={timeNs}
        isPlaying={player.isPlaying}
        onStep={byHand}
        onPlay={player.toggle}
      />
      {known !== null && (
        <ZoomBar map={known} window={{ from: shown.from, count: shown.count ?? known.hostPages - shown.from }} />
      )}
      <div class="map-pair">
        {[left, right].map((side, i) => {
          const { map, isLoading, error } = maps[i]
          const key = i === 0 ? 'a' : 'b'
          return (
            <div key={key} aria-busy={isLoading}>
              <div class="map-head">
                <Swatch series={side} />
                <select
                  aria-label={`Policy of the ${i === 0 ? 'first' : 'second'} map`}
                  value={side.policy}
                  onChange={event => changeQuery({ [key]: event.currentTarget.value })}
                >
                  {series.map(({ policy, label }) => (
                    <option key={policy} value={policy}>
                      {label}
                    </option>
                  ))}
                </select>
              </div>
              {error !== null && (
                <Failure error={error} retry={() => changeQuery({ from: undefined, count: undefined })} />
              )}
              {map === null && isLoading && <Loading what={`the map of ${side.label}`} />}
              {map !== null && <MapCanvas map={map} timeNs={timeNs} label={side.label} onCell={zoomTo} />}
            </div>
          )
        })}
      </div>
    </>
  )
}

/** @param count null: all host pages from `from` on */
function useMap(id: string, cell: number, { from, count }: { from: number; count: number | null }) {
  const { client } = useApi()
  const answer = useAsync(
    async signal => {
      const window = { from, cells: MOST_RUNS, ...(count === null ? {} : { count }) }
      return { cell, map: await client.experiments.map(id, cell, window, { signal }) }
    },
    [client, id, cell, from, count],
  )
  // While another part of memory comes, the one before stays; of another policy it would be wrong.
  const map = answer.value?.cell === cell ? answer.value.map : null
  return { map, isLoading: answer.state === 'loading', error: answer.state === 'failed' ? answer.error : null }
}

/** Those in the address; else the first that is lazy, beside the one that finishes the work first. */
function chosenSides(series: readonly ResultSeries[], query: Place['query']): [ResultSeries, ResultSeries] {
  const inAddress = (key: string): ResultSeries | undefined => {
    const policy = numberIn(query, key)
    return policy === null ? undefined : series.find(one => one.policy === policy)
  }
  const lazy = series.find(({ label }) => label === 'lazy') ?? series[0]
  const others = series.filter(one => one !== lazy)
  const best = others.reduce((a, b) => (b.result.workDoneNs < a.result.workDoneNs ? b : a), others[0] ?? lazy)
  return [inAddress('a') ?? lazy, inAddress('b') ?? best]
}
