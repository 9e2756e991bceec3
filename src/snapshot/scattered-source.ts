/**
 * The memory of a snapshot as one run of bytes, whichever files its pages are in: page p at p times the page size. What
 * stands in no file reads as zeros. Who reads the files themselves, page by page, goes by the blocks' places and `origins`.
 */

import { nextClearBit, nextSetBit, testBit } from '../core/bitmap.ts'
import { type ByteSource, shortRead } from './byte-source.ts'
import {
  type BlockPlaces,
  type Origin,
  type PagePlaces,
  placedRunLength,
  placeOffset,
  placesOfBlock,
  rankOf,
} from './page-places.ts'
import type { StoredFile } from './stored-file.ts'

export class ScatteredSource implements ByteSource {
  readonly name: string
  readonly byteLength: number
  readonly places: PagePlaces
  /** Origin n is number n - 1. */
  readonly origins: readonly Origin<StoredFile>[]
  /** By origin; null: all 0. */
  readonly base: Float64Array | null
  /** Of all of it as of one block. */
  readonly #index: BlockPlaces

  constructor(name: string, places: PagePlaces, origins: readonly Origin<StoredFile>[]) {
    this.name = name
    this.byteLength = places.pageCount * places.pageSize
    this.places = places
    this.origins = origins
    const bases = origins.map(({ base }) => base)
    this.base = bases.every(base => base === 0) ? null : Float64Array.from([0, ...bases])
    this.#index = placesOfBlock(places, this.base, 0)
  }

  /** One read for each run of pages that lie together. */
  async read(offset: number, target: Uint8Array): Promise<void> {
    const { places, origins, byteLength } = this
    const { pageSize, inFile, origin } = places
    const available = Math.max(0, byteLength - offset)
    if (target.length > available) throw shortRead(this.name, offset, available, target.length)
    const end = Math.ceil((offset + target.length) / pageSize)
    let done = 0
    for (let page = Math.floor(offset / pageSize); page < end; ) {
      const isPlaced = testBit(inFile, page)
      const rank = isPlaced ? rankOf(places, page) : 0
      const past = isPlaced
        ? page + placedRunLength(places, rank, nextClearBit(inFile, page, end) - page)
        : nextSetBit(inFile, page, end)
      const inside = offset + done - page * pageSize
      const length = Math.min(target.length - done, (past - page) * pageSize - inside)
      const part = target.subarray(done, done + length)
      if (isPlaced) {
        const { file } = origins[origin[rank] - 1]
        await file.read(placeOffset(this.#index, rank, page, pageSize) + inside, part)
      } else part.fill(0)
      done += length
      page = past
    }
  }
}

/** The file of an origin of a snapshot's source; the source itself for origin 0. */
export function fileOf(source: ByteSource, origin: number): ByteSource {
  return origin === 0 ? source : (source as ScatteredSource).origins[origin - 1].file
}
