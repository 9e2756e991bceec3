/**
 * A snapshot that needs no file: `synthetic:1GiB,zero=60%,runs=64,seed=1`. One block, `pc.ram`, in which runs of data and
 * runs of zero pages take turns, their lengths geometrically distributed; the same text gives the same snapshot. Nothing
 * but the bitmap is held in memory, so that 1 TiB opens at once; contents are computed when they are read.
 */

import { type Bitmap, createBitmap, setBits } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import { createRandom, nextFloat, type RandomState } from '../core/random.ts'
import { option, parseSpec, type ResolvedOptions, resolveOptions } from '../core/spec-string.ts'
import { parseBytes } from '../core/units.ts'
import { textIdentity } from './identity.ts'
import type { Snapshot } from './snapshot.ts'
import { ramBlock } from './snapshot.ts'
import { DEFAULT_PAGE_SIZE, isPageSize, MAX_TARGET_PAGES, PAGE_SIZE_RULE } from './stream-format.ts'
import { syntheticSource } from './synthetic-source.ts'

export const SYNTHETIC_PREFIX = 'synthetic:'

export const SYNTHETIC_OPTIONS = {
  zero: option('share', 0.6, 'share of pages that are zero, on average'),
  runs: option('count', 64, 'mean length of a run of data pages', 1),
  seed: option('count', 1, 'seed of the layout and of the contents'),
  page: option('bytes', DEFAULT_PAGE_SIZE, 'target page size'),
} as const

type SyntheticOptions = ResolvedOptions<typeof SYNTHETIC_OPTIONS>

/** Opens a snapshot by its spec string. */
export function openSynthetic(text: string): Snapshot {
  const spec = parseSpec(text)
  if (spec.positional === null) {
    throw new LazyRestoreError('usage', `${text}: found no size, expected one as in synthetic:1GiB,zero=60%`)
  }
  const size = parseBytes(spec.positional, `${spec.name}: size`)
  const options = resolveOptions(spec, SYNTHETIC_OPTIONS)
  const { zero, runs, seed, page: pageSize } = options
  const pageCount = countPages(text, size, pageSize)
  const { bitmap, setBits } = randomBitmap(pageCount, options)
  const source = syntheticSource(text, size, pageSize, seed)
  const block = { name: 'pc.ram', usedLength: size, pageSize, pageCount, bitmap, setBits }
  return {
    format: 'synthetic',
    name: text,
    machine: null,
    capabilities: [],
    blocks: [ramBlock({ ...block, bitmapOffset: null, pagesOffset: 0, ignored: false })],
    deviceState: null,
    ramSectionId: null,
    identity: textIdentity(`${SYNTHETIC_PREFIX}${size},zero=${zero},runs=${runs},seed=${seed},page=${pageSize}`),
    source,
    close: async () => {},
  }
}

function countPages(text: string, size: number, pageSize: number): number {
  if (!isPageSize(pageSize)) {
    throw new LazyRestoreError('usage', `${text}: page: found ${pageSize}, expected ${PAGE_SIZE_RULE}`)
  }
  const pageCount = size / pageSize
  if (Number.isInteger(pageCount) && pageCount >= 1 && pageCount <= MAX_TARGET_PAGES) return pageCount
  const expected = `1 to ${MAX_TARGET_PAGES} whole pages of ${pageSize}`
  throw new LazyRestoreError('usage', `${text}: size: found ${size} bytes, expected ${expected}`)
}

/**
 * Runs of data (mean `runs` pages) and of zeros in turn. Their means are in the ratio of the shares; where that would make
 * the zero runs shorter than one page they are one page, and the data runs are longer.
 */
function randomBitmap(pageCount: number, { zero, runs, seed }: SyntheticOptions): { bitmap: Bitmap; setBits: number } {
  const bitmap = createBitmap(pageCount)
  if (zero === 1) return { bitmap, setBits: 0 }
  if (zero === 0) {
    setBits(bitmap, 0, pageCount)
    return { bitmap, setBits: pageCount }
  }
  const zeroMean = Math.max(1, (runs * zero) / (1 - zero))
  const dataScale = geometricScale((zeroMean * (1 - zero)) / zero)
  const zeroScale = geometricScale(zeroMean)
  const random = createRandom(seed)
  let set = 0
  let page = nextFloat(random) < zero ? geometric(random, zeroScale) : 0
  while (page < pageCount) {
    const count = Math.min(geometric(random, dataScale), pageCount - page)
    setBits(bitmap, page, count)
    set += count
    page += count + geometric(random, zeroScale)
  }
  return { bitmap, setBits: set }
}

/** `1 / ln(1 - 1/mean)`: what a logarithm is multiplied by to make a run length. */
function geometricScale(mean: number): number {
  return 1 / Math.log1p(-1 / mean)
}

/** A run of at least one page (Devroye, Non-Uniform Random Variate Generation, 1986, X.2). */
function geometric(random: RandomState, scale: number): number {
  return 1 + Math.floor(Math.log(nextFloat(random)) * scale)
}
