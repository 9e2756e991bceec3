/**
 * The contents of a synthetic snapshot: 32-bit word `w` of page `p` is `((p * A + s) ^ (w * B)) | 1`, where `s` comes from
 * the seed. No page is zero, each differs from its neighbours, and a word costs three operations.
 */
import { createRandom, nextUint32 } from '../core/random.ts'
import { type ByteSource, shortRead } from './byte-source.ts'

const PAGE_FACTOR = 0x85ebca6b
const WORD_FACTOR = 0xc2b2ae35

export function syntheticSource(name: string, byteLength: number, pageSize: number, seed: number): ByteSource {
  const salt = nextUint32(createRandom(seed))
  const scratch = new Uint32Array(pageSize / 4)
  const scratchBytes = new Uint8Array(scratch.buffer)
  return {
    name,
    byteLength,
    async read(offset, target) {
      const available = Math.max(0, byteLength - offset)
      if (target.length > available) throw shortRead(name, offset, available, target.length)
      for (let done = 0; done < target.length; ) {
        const page = Math.floor((offset + done) / pageSize)
        const start = offset + done - page * pageSize
        const count = Math.min(pageSize - start, target.length - done)
        fillPage(scratch, page, salt)
        target.set(scratchBytes.subarray(start, start + count), done)
        done += count
      }
    },
  }
}

function fillPage(words: Uint32Array, page: number, salt: number): void {
  const base = Math.imul(page, PAGE_FACTOR) + salt
  for (let w = 0, step = 0; w < words.length; w++, step = (step + WORD_FACTOR) | 0) words[w] = (base ^ step) | 1
}
