/**
 * What identifies a row of a comparison wherever it is shown: a label that no other row has, and a colour and a dash that
 * are the same in every figure. The colours are Okabe and Ito's, told apart by colour-blind readers too, with the two
 * lightest darkened until they show on white as on black. When they are used up, they come again with dashed lines.
 */
import type { RestoreResult } from '../engine/result.ts'

export interface Series {
  readonly result: RestoreResult
  readonly label: string
  readonly color: string
  /** SVG's stroke-dasharray; null: a solid line. */
  readonly dash: string | null
}

const COLORS = ['#0072b2', '#d08c00', '#009e73', '#d55e00', '#3a9bd9', '#cc79a7', '#8c7a00', '#777777']
const DASHES = [null, '6 3', '2 2', '8 3 2 3']

/** The colour of the i-th of several. */
export function colorOf(i: number): string {
  return COLORS[i % COLORS.length]
}

export function toSeries(results: readonly RestoreResult[]): Series[] {
  const labels = uniqueLabels(results)
  return results.map((result, i) => ({
    result,
    label: labels[i],
    color: colorOf(i),
    dash: DASHES[Math.floor(i / COLORS.length) % DASHES.length],
  }))
}

/** The policy; with the engine when engines differ; with a number when that still is not enough. */
export function uniqueLabels(results: readonly RestoreResult[]): string[] {
  const severalEngines = new Set(results.map(({ engine }) => engine)).size > 1
  const names = results.map(({ policy, engine }) => printable(severalEngines ? `${policy} (${engine})` : policy))
  const taken = new Set(names)
  const seen = new Set<string>()
  return names.map(name => {
    let label = name
    for (let number = 2; seen.has(label) || (label !== name && taken.has(label)); number++) label = `${name} #${number}`
    seen.add(label)
    return label
  })
}

/** Names come from files and command lines; a control character in one would reach the terminal, and XML forbids it. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '\ufffd')
}

/** Breaks a label into lines of at most `limit` characters, behind `:`, `,` and `/` where that is possible. */
export function breakLabel(label: string, limit: number): string[] {
  const pieces = label.match(new RegExp(`[^:,/]{0,${limit - 1}}[:,/]|[^:,/]{1,${limit}}`, 'g')) ?? []
  const lines = ['']
  for (const piece of pieces) {
    const last = lines.length - 1
    if (lines[last].length + piece.length <= limit) lines[last] += piece
    else lines.push(piece)
  }
  return lines
}
