/** Writes E2B memfile headers for tests. */
import { PAGE } from './support.ts'

export interface TestRange {
  /** In pages. */
  readonly offset: number
  readonly length: number
  /** A hex digit: the build whose id is made of it. */
  readonly build: string
  /** Page in the build's memfile. */
  readonly at: number
}

export interface TestHeader {
  readonly pages: number
  readonly ranges: readonly TestRange[]
  readonly version?: number
  readonly blockSize?: number
  /** Instead of the pages. */
  readonly bytes?: number
}

export function uuid(digit: string): string {
  return [8, 4, 4, 4, 12].map(length => digit.repeat(length)).join('-')
}

/** The own build is `d`, the base build `b`. */
export function encodeHeader({
  pages,
  ranges,
  version = 3,
  blockSize = PAGE,
  bytes = pages * PAGE,
}: TestHeader): Buffer {
  const u64 = (value: number) => {
    const field = Buffer.alloc(8)
    field.writeBigUInt64LE(BigInt(value))
    return field
  }
  const id = (digit: string) => Buffer.alloc(16, Number.parseInt(digit.repeat(2), 16))
  const metadata = [u64(version), u64(blockSize), u64(bytes), u64(2), id('d'), id('b')]
  const body = ranges.flatMap(({ offset, length, build, at }) => {
    return [u64(offset * PAGE), u64(length * PAGE), id(build), u64(at * PAGE)]
  })
  return Buffer.concat([...metadata, ...body])
}
