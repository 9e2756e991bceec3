/** Draws the map of one restore at one time. A cell says what it is when the pointer is on it. */
import type { MemoryMap } from 'lazyrestore/client'
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { count, duration, plural } from '../format.ts'
import { cssColor, useThemeCount } from '../ui/theme.ts'
import {
  type Color,
  countCells,
  fillCells,
  type Grid,
  gridOf,
  PAGE_KINDS,
  type PageKind,
  paintCells,
  totalsOf,
} from './map-cells.ts'
import { placeOfCell } from './places.ts'

interface MapCanvasProps {
  readonly map: MemoryMap
  readonly timeNs: number
  readonly label: string
  /** A click on the cell whose middle is this host page. */
  readonly onCell: (page: number) => void
}

/** CSS pixels. */
const GAP_PX = 1
const HEIGHT_PX = 360

export const KIND_LABELS: Readonly<Record<PageKind, string>> = {
  zero: 'zero',
  data: 'data',
  fault: 'by fault',
  prefetch: 'by prefetch',
  wasted: 'wasted',
}

export const KIND_HELP: Readonly<Record<PageKind, string>> = {
  zero: 'Not there, and zero in the snapshot',
  data: 'Not there yet; the snapshot has data',
  fault: 'There, because a vCPU waited for it',
  prefetch: 'There without a fault, and the workload touches it',
  wasted: 'There without a fault, and the workload never touches it',
}

export function MapCanvas({ map, timeNs, label, onCell }: MapCanvasProps) {
  const host = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const theme = useThemeCount()
  const width = useWidth(host)
  const [pointed, setPointed] = useState<number | null>(null)
  const grid = useMemo(() => gridOf(map, width, HEIGHT_PX), [map, width])
  const cells = useMemo(() => {
    const values = new Float32Array(countCells(map, grid.runsPerCell) * PAGE_KINDS.length)
    fillCells(map, grid.runsPerCell, timeNs, values)
    return values
  }, [map, grid, timeNs])
  // Colours are those of the theme.
  const colors = useMemo(() => PAGE_KINDS.map(kind => channels(cssColor(`--page-${kind}`))), [theme])
  const gapColor = useMemo(() => cssColor('--panel'), [theme])
  useLayoutEffect(() => draw(canvas.current!, grid, cells, colors, gapColor), [grid, cells, colors, gapColor])
  const totals = totalsOf(cells)
  const pagesPerCell = grid.runsPerCell * map.pagesPerCell

  /** Null: behind the last one. */
  const cellAt = ({ offsetX, offsetY }: MouseEvent): number | null => {
    const column = Math.floor(offsetX / grid.sidePx)
    const cell = Math.floor(offsetY / grid.sidePx) * grid.columns + column
    return column < grid.columns && cell < cells.length / PAGE_KINDS.length ? cell : null
  }
  const click = (event: MouseEvent): void => {
    const cell = cellAt(event)
    if (cell !== null) onCell(map.from + (cell + 0.5) * pagesPerCell)
  }
  return (
    <div ref={host} class="map">
      <p class="readout figures">
        {pointed === null ? `${plural(pagesPerCell, 'page')} a cell` : describeCell(map, grid, cells, pointed)}
      </p>
      <canvas
        ref={canvas}
        role="img"
        aria-label={`${label} after ${duration(timeNs)}: ${PAGE_KINDS.map(kind => `${KIND_LABELS[kind]} ${count(totals[kind])}`).join(', ')} host pages`}
        onPointerMove={event => setPointed(cellAt(event))}
        onPointerLeave={() => setPointed(null)}
        onClick={click}
      />
      <dl class="map-totals">
        {PAGE_KINDS.map(kind => (
          <div key={kind} title={KIND_HELP[kind]}>
            <dt>
              <span class={`page-key ${kind}`} /> {KIND_LABELS[kind]}
            </dt>
            <dd>{count(totals[kind])}</dd>
          </div>
        ))}
      </dl>
    </div>
  )
}

/** Of the element, CSS pixels; 0 before it is laid out. */
function useWidth(host: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0)
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)))
    observer.observe(host.current!)
    return () => observer.disconnect()
  }, [host])
  return width
}

/** A pixel a cell, enlarged, and lines between them. */
function draw(
  canvas: HTMLCanvasElement,
  grid: Grid,
  cells: Float32Array,
  colors: readonly Color[],
  gapColor: string,
): void {
  const { columns, rows, sidePx } = grid
  const scale = Math.max(1, Math.round(devicePixelRatio))
  const side = sidePx * scale
  canvas.width = columns * side
  canvas.height = rows * side
  canvas.style.width = `${columns * sidePx}px`
  canvas.style.height = `${rows * sidePx}px`
  const context = canvas.getContext('2d')!
  const small = new OffscreenCanvas(columns, rows)
  const image = new ImageData(columns, rows)
  paintCells(cells, colors, image.data)
  small.getContext('2d')!.putImageData(image, 0, 0)
  context.imageSmoothingEnabled = false
  context.drawImage(small, 0, 0, canvas.width, canvas.height)
  context.fillStyle = gapColor
  const gap = GAP_PX * scale
  for (let column = 1; column <= columns; column++) context.fillRect(column * side - gap, 0, gap, canvas.height)
  for (let row = 1; row <= rows; row++) context.fillRect(0, row * side - gap, canvas.width, gap)
}

function channels(color: string): Color {
  const [red = 0, green = 0, blue = 0] = (color.match(/[\d.]+/g) ?? []).map(Number)
  return [red, green, blue]
}

function describeCell(map: MemoryMap, { runsPerCell }: Grid, cells: Float32Array, cell: number): string {
  const { address, firstPage, endPage } = placeOfCell(map, cell, runsPerCell)
  const parts = PAGE_KINDS.map((kind, i) => [kind, Math.round(cells[cell * PAGE_KINDS.length + i])] as const)
  const pages = endPage - firstPage === 1 ? `page ${firstPage}` : `pages ${firstPage}–${endPage - 1}`
  return `${address} · ${pages} · ${parts
    .filter(([, number]) => number > 0)
    .map(([kind, number]) => `${number} ${KIND_LABELS[kind]}`)
    .join(', ')}`
}
