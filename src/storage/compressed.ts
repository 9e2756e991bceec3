/**
 * Storage that holds the file compressed, in pieces that can be read one by one: of a read only `1 / ratio` comes off the
 * medium, and whoever asked for it pays CPU for each byte that comes out. A constant ratio stands for the mean over all pages.
 */
import type { StorageModel } from './storage-model.ts'

export interface CompressionParameters {
  /** Uncompressed bytes over compressed ones, at least 1. */
  readonly ratio: number
  /** Bytes that come out per second of one core. */
  readonly decompressBytesPerS: number
}

export class CompressedStorage implements StorageModel {
  extraCpuNs = 0
  readonly #medium: StorageModel
  readonly #ratio: number
  readonly #nsPerByte: number

  constructor(medium: StorageModel, { ratio, decompressBytesPerS }: CompressionParameters) {
    this.#medium = medium
    this.#ratio = ratio
    this.#nsPerByte = 1e9 / decompressBytesPerS
  }

  get bytesDelivered(): number {
    return this.#medium.bytesDelivered
  }

  get pending() {
    return this.#medium.pending
  }

  submit(now: number, bytes: number, place: number): number {
    this.extraCpuNs = Math.round(bytes * this.#nsPerByte)
    return this.#medium.submit(now, Math.ceil(bytes / this.#ratio), Math.floor(place / this.#ratio))
  }
}
