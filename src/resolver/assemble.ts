/**
 * Carries a resolution out into a bounce buffer: zeros wherever no run reads, the file's bytes elsewhere. What the buffer
 * held before does not matter.
 */
import type { ByteSource } from '../snapshot/byte-source.ts'
import { fileOf } from '../snapshot/scattered-source.ts'
import type { Resolution } from './resolver.ts'

/**
 * Fills `buffer` with the bytes that the resolution installs and returns that part of it.
 * @param buffer at least `resolution.byteLength` bytes long
 * @throws LazyRestoreError `io` when the source cannot be read
 */
export async function assemble(source: ByteSource, resolution: Resolution, buffer: Uint8Array): Promise<Uint8Array> {
  const { runCount, origin, fileOffset, bufferOffset, length, byteLength } = resolution
  let filled = 0
  for (let run = 0; run < runCount; run++) {
    const start = bufferOffset[run]
    buffer.fill(0, filled, start)
    filled = start + length[run]
    await fileOf(source, origin[run]).read(fileOffset[run], buffer.subarray(start, filled))
  }
  buffer.fill(0, filled, byteLength)
  return buffer.subarray(0, byteLength)
}
