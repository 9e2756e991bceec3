/**
 * An experiment is the product of its axes, numbered as the server does (server/experiments/axes.ts): policies are the
 * fastest. A slice is one combination of the others, so that its cells, one a policy, stand behind each other: what one
 * `lazyrestore compare` does, and what one page of results shows.
 */

export interface Axes {
  readonly repetitions: number
  readonly workloads: readonly string[]
  readonly storages: readonly string[]
  readonly layouts: readonly string[]
}

export interface Slice {
  /** From 0. */
  readonly repetition: number
  readonly workload: string
  readonly storage: string
  readonly layout: string
}

/** Places on the axes, from the fastest to the slowest. */
export type SlicePlace = readonly [repetition: number, workload: number, storage: number, layout: number]

export function axisLengths({ repetitions, workloads, storages, layouts }: Axes): SlicePlace {
  return [repetitions, workloads.length, storages.length, layouts.length]
}

export function countSlices(axes: Axes): number {
  return axisLengths(axes).reduce((product, length) => product * length, 1)
}

/** @param index below `countSlices` */
export function placeOf(axes: Axes, index: number): SlicePlace {
  let rest = index
  return axisLengths(axes).map(length => {
    const digit = rest % length
    rest = (rest - digit) / length
    return digit
  }) as unknown as SlicePlace
}

export function indexOf(axes: Axes, place: SlicePlace): number {
  const lengths = axisLengths(axes)
  return place.reduceRight((index, digit, axis) => index * lengths[axis] + digit, 0)
}

export function sliceAt(axes: Axes, index: number): Slice {
  const [repetition, workload, storage, layout] = placeOf(axes, index)
  return {
    repetition,
    workload: axes.workloads[workload],
    storage: axes.storages[storage],
    layout: axes.layouts[layout],
  }
}

/** Slices in order, the first `limit` of them. */
export function slicesOf(axes: Axes, limit: number): Slice[] {
  return Array.from({ length: Math.min(limit, countSlices(axes)) }, (_, index) => sliceAt(axes, index))
}
