/**
 * Points in the space of a sweep's variables: every combination (grid), given rows (list), independent draws (random), or a
 * Latin hypercube, which has one point in each of n equal slices of every variable (McKay, Beckman, Conover, Technometrics
 * 21(2), 1979). Draws depend on the seed and the variable's name alone, so that another variable leaves them as they were.
 */
import { createHash } from 'node:crypto'
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus'
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator'
import { type Range, textAt } from './range.ts'

/** The values of some variables, by name. */
export type Point = Readonly<Record<string, string>>

/** Points over variables that no other part of the design has; the design is every combination of its parts' points. */
export interface DesignPart {
  readonly variables: readonly string[]
  readonly points: readonly Point[]
}

export interface Draws {
  readonly points: number
  readonly of: Readonly<Record<string, Range>>
}

/** A part for each variable: a grid is every combination of them. */
export function gridParts(grid: Readonly<Record<string, readonly string[]>>): DesignPart[] {
  return Object.entries(grid).map(([name, values]) => ({
    variables: [name],
    points: values.map(value => ({ [name]: value })),
  }))
}

export function randomPart({ points, of }: Draws, seed: number): DesignPart {
  return drawnPart(points, of, (name, range) => {
    const stream = streamOf(seed, `random ${name}`)
    return Array.from({ length: points }, () => textAt(range, uniformFloat64(stream)))
  })
}

export function latinHypercubePart({ points, of }: Draws, seed: number): DesignPart {
  return drawnPart(points, of, (name, range) => {
    const stream = streamOf(seed, `latin hypercube ${name}`)
    const slices = shuffled(points, stream)
    return slices.map(slice => textAt(range, (slice + uniformFloat64(stream)) / points))
  })
}

function drawnPart(
  points: number,
  of: Draws['of'],
  draw: (name: string, range: Range) => readonly string[],
): DesignPart {
  const columns = Object.entries(of).map(([name, range]) => [name, draw(name, range)] as const)
  return {
    variables: columns.map(([name]) => name),
    points: Array.from({ length: points }, (_, i) =>
      Object.fromEntries(columns.map(([name, values]) => [name, values[i]])),
    ),
  }
}

/** 0 to count - 1 in a random order (Fisher and Yates). */
function shuffled(count: number, stream: RandomGenerator): number[] {
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = uniformInt(stream, 0, i)
    ;[order[i], order[j]] = [order[j], order[i]]
  }
  return order
}

function streamOf(seed: number, purpose: string): RandomGenerator {
  const digest = createHash('sha256').update(`${seed}\0${purpose}`).digest()
  return xoroshiro128plusFromState([0, 4, 8, 12].map(offset => digest.readInt32LE(offset)))
}
