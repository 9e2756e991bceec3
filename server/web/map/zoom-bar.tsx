/** Which part of memory the maps show, and buttons to change it. */
import type { MemoryMap } from 'lazyrestore/client'
import { bytes } from '../format.ts'
import { changeQuery } from '../ui/use-place.ts'
import { LEAST_PAGES, type MapWindow, middleOf, moved, windowQuery, zoomed } from './window.ts'

interface ZoomBarProps {
  readonly map: Pick<MemoryMap, 'hostPages' | 'blocks'>
  /** What is asked for, whether or not it has come. */
  readonly window: MapWindow
}

const ZOOM = 4
const STEP = 0.5

export function ZoomBar({ map: { hostPages, blocks }, window: shown }: ZoomBarProps) {
  const { from, count } = shown
  const isAll = count === hostPages
  const show = (window: MapWindow): void => changeQuery(windowQuery(window, hostPages))
  const zoom = (factor: number): void => show(zoomed(shown, hostPages, factor, middleOf(shown)))
  return (
    <div class="zoom" role="toolbar" aria-label="Part of memory">
      <button
        type="button"
        class="small"
        aria-label="Zoom in"
        disabled={count <= LEAST_PAGES}
        onClick={() => zoom(ZOOM)}
      >
        +
      </button>
      <button type="button" class="small" aria-label="Zoom out" disabled={isAll} onClick={() => zoom(1 / ZOOM)}>
        −
      </button>
      <button
        type="button"
        class="small"
        aria-label="Lower addresses"
        disabled={from === 0}
        onClick={() => show(moved(shown, hostPages, -STEP))}
      >
        ←
      </button>
      <button
        type="button"
        class="small"
        aria-label="Higher addresses"
        disabled={from + count === hostPages}
        onClick={() => show(moved(shown, hostPages, STEP))}
      >
        →
      </button>
      {blocks.length > 1 && (
        <select
          aria-label="Block"
          value=""
          onChange={event => {
            const block = blocks.find(({ name }) => name === event.currentTarget.value)
            if (block === undefined) return show({ from: 0, count: hostPages })
            show({ from: block.firstHostPage, count: block.endHostPage - block.firstHostPage })
          }}
        >
          <option value="">Block…</option>
          {blocks.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      )}
      <span class="dim figures">
        {isAll
          ? 'all memory'
          : `${bytes(bytesBelow(blocks, from + count) - bytesBelow(blocks, from))} from ${bytes(bytesBelow(blocks, from))} on`}
      </span>
    </div>
  )
}

/** Blocks may have host pages of several sizes. */
function bytesBelow(blocks: MemoryMap['blocks'], page: number): number {
  return blocks.reduce(
    (sum, { firstHostPage, endHostPage, hostPageSize }) =>
      sum + Math.max(0, Math.min(page, endHostPage) - firstHostPage) * hostPageSize,
    0,
  )
}
