/**
 * Maps of a snapshot's memory: where it has data, as a line of characters a block for a terminal, and as an SVG picture, in
 * which a list of layers is drawn once more by the layer that each part comes from.
 */
import { countBits, nextSetBit } from '../core/bitmap.ts'
import { formatBytes, formatShare } from '../core/units.ts'
import { rankOf } from '../snapshot/page-places.ts'
import { ScatteredSource } from '../snapshot/scattered-source.ts'
import type { RamBlock, Snapshot } from '../snapshot/snapshot.ts'
import { escapeMarkup } from './markup.ts'

/** None, up to a quarter, … of the pages have data; all. */
const SHADES = ['·', '░', '▒', '▓', '█'] as const
const COLUMNS = 64
/** Cells of the picture over all blocks, about. */
const CELLS = 4096
const CELL = 12
const LABEL_HEIGHT = 22
/** From no data to all of it, and what each step means. */
const COLORS = ['#eceff3', '#b9d4ee', '#7fb2e0', '#4288c6', '#14477d'] as const
const LEGEND = ['zero', 'to a quarter', 'to a half', 'below all', 'all data'] as const

/** One character for every `pageCount / width` pages of a block. */
export function densityStrip(block: RamBlock, width: number): string {
  const cells = Math.min(width, block.pageCount)
  return Array.from({ length: cells }, (_, cell) => SHADES[shadeOf(block, ...cellPages(block, cell, cells))]).join('')
}

export const STRIP_LEGEND = `${SHADES.join(' ')}  none, ≤ 1/4, ≤ 1/2, < all, all of the pages have data`

/** @returns an SVG document */
export function memoryMap(snapshot: Snapshot): string {
  const blocks = snapshot.blocks.filter(({ ignored }) => !ignored)
  const total = blocks.reduce((sum, { pageCount }) => sum + pageCount, 0)
  const panels = [new Panel(0, `${escapeMarkup(snapshot.name)}: data`, total)]
  for (const block of blocks) panels[0].draw(block, (first, count) => COLORS[shadeOf(block, first, count)])
  // Origins stand in the order of the layers there, and in no order elsewhere.
  if (snapshot.format === 'layers' && snapshot.source instanceof ScatteredSource)
    panels.push(layerPanel(snapshot, snapshot.source, total))
  const height = Math.max(...panels.map(panel => panel.height)) + LABEL_HEIGHT
  const width = panels.length * (COLUMNS * CELL + 24)
  const legend = LEGEND.map((text, i) => {
    const x = i * 120
    const key = `<rect x="${x}" y="${height - 14}" width="10" height="10" fill="${COLORS[i]}"/>`
    return `${key}<text x="${x + 14}" y="${height - 5}">${text}</text>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -4 ${width} ${height + 8}" width="${width}" height="${height + 8}" role="img"`,
    ` aria-label="Where the snapshot's memory has data" font-family="system-ui, sans-serif" font-size="12" fill="currentColor">\n`,
    ...panels.map(panel => panel.svg()),
    ...legend,
    '\n</svg>\n',
  ].join('')
}

/** The pages of cell `cell` of `cells` that divide a block evenly. */
function cellPages({ pageCount }: RamBlock, cell: number, cells: number): [first: number, count: number] {
  const first = Math.floor((cell * pageCount) / cells)
  return [first, Math.floor(((cell + 1) * pageCount) / cells) - first]
}

function shadeOf({ bitmap }: RamBlock, first: number, count: number): number {
  const set = countBits(bitmap, first, count)
  if (set === 0) return 0
  return set === count ? 4 : 1 + Math.min(2, Math.floor((set / count) * 4 - Number.EPSILON))
}

/** The newest layer that a part has pages of, from grey (the base) to red. */
function layerPanel(snapshot: Snapshot, { places, origins }: ScatteredSource, total: number): Panel {
  const panel = new Panel(
    COLUMNS * CELL + 24,
    `by layer, of ${snapshot.layers!.length}: grey is the base, red the newest`,
    total,
  )
  for (const block of snapshot.blocks) {
    const start = block.pagesOffset / block.pageSize
    panel.draw(block, (first, count) => {
      let newest = 0
      for (let page = nextSetBit(block.bitmap, first, first + count); page < first + count; ) {
        newest = Math.max(newest, places.origin[rankOf(places, start + page)])
        page = nextSetBit(block.bitmap, page + 1, first + count)
      }
      if (newest === 0) return COLORS[0]
      const share = origins.length < 2 ? 0 : (newest - 1) / (origins.length - 1)
      return `hsl(${Math.round(215 - 215 * share)} ${Math.round(10 + 70 * share)}% ${Math.round(62 - 10 * share)}%)`
    })
  }
  return panel
}

/** One picture: rows of cells, a block behind the other, each from a new row on. */
class Panel {
  height = LABEL_HEIGHT
  readonly #parts: string[] = []
  readonly #x: number
  readonly #title: string
  readonly #total: number

  constructor(x: number, title: string, total: number) {
    this.#x = x
    this.#title = title
    this.#total = total
  }

  /** @param colorOf the pages of a cell */
  draw(block: RamBlock, colorOf: (first: number, count: number) => string): void {
    const { name, usedLength, pageCount, setBits } = block
    const cells = Math.max(1, Math.min(pageCount, Math.round((pageCount / this.#total) * CELLS)))
    const data = formatShare(setBits / pageCount)
    const label = `${escapeMarkup(name)} · ${formatBytes(usedLength)} · ${data} data · a cell is ${formatBytes(usedLength / cells)}`
    this.#parts.push(`<text x="${this.#x}" y="${this.height + 14}">${label}</text>`)
    this.height += LABEL_HEIGHT
    let run = { color: '', from: 0 }
    const flush = (cell: number) => {
      if (run.color === '') return
      const x = this.#x + (run.from % COLUMNS) * CELL
      const y = this.height + Math.floor(run.from / COLUMNS) * CELL
      const width = (cell - run.from) * CELL
      this.#parts.push(`<rect x="${x}" y="${y}" width="${width}" height="${CELL}" fill="${run.color}"/>`)
    }
    for (let cell = 0; cell < cells; cell++) {
      const color = colorOf(...cellPages(block, cell, cells))
      if (color === run.color && cell % COLUMNS !== 0) continue
      flush(cell)
      run = { color, from: cell }
    }
    flush(cells)
    this.height += Math.ceil(cells / COLUMNS) * CELL + 6
  }

  svg(): string {
    return `<text x="${this.#x}" y="14" font-weight="600">${this.#title}</text>${this.#parts.join('\n')}\n`
  }
}
