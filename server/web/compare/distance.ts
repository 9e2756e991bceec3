/** How far apart two values are: the logarithm of their ratio to base 2, so that twice and half are equally far. */

/** Null where there is no ratio, or one of nothing. */
export function distanceOf(ratio: number | null): number | null {
  return ratio === null || !(ratio > 0) ? null : Math.log2(ratio)
}
