/**
 * E2B's prefetch list (e2b-dev/infra, PrefetchTracker): JSON `{indices, access_types, block_size}`, the blocks in the order in
 * which they were first wanted, each by a read, a write or a prefetch (`r`, `w`, `p`). No times. A block of 2 MiB stands
 * for all its pages; its first one is what the trace has.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { describe, expectFields, isWhole } from '../../core/fields.ts'
import { GIB, MIB } from '../../core/units.ts'
import { defineImporter } from './importer.ts'

/** A list of all blocks of 4 KiB of 64 GiB takes about as much. */
const MAX_FILE_BYTES = 256 * MIB

export const e2bJson = defineImporter({
  name: 'e2b',
  summary: "E2B's prefetch list: JSON with indices, access_types, block_size",
  source: 'e2b-dev/infra, packages/orchestrator/pkg/sandbox/uffd',
  has: 'order',
  options: {},
  detect: head => /^\s*\{/.test(head) && /"indices"\s*:/.test(head),
  read: async (source, sink) => {
    const { name } = source
    if (source.byteLength > MAX_FILE_BYTES) {
      throw new LazyRestoreError(
        'limit',
        `${name}: found ${source.byteLength} bytes, expected at most ${MAX_FILE_BYTES}`,
      )
    }
    const bytes = Buffer.alloc(source.byteLength)
    await source.read(0, bytes)
    const { indices, access_types: types, block_size: blockSize } = expectFields(parse(bytes, name), name)
    if (!isWhole(blockSize, 512, GIB) || (blockSize & (blockSize - 1)) !== 0) {
      const found = blockSize === undefined ? 'nothing' : describe(blockSize)
      throw new LazyRestoreError(
        'format',
        `${name}: field block_size: found ${found}, expected a power of two from 512`,
      )
    }
    if (!Array.isArray(indices)) {
      throw new LazyRestoreError('format', `${name}: field indices: found ${describe(indices)}, expected a list`)
    }
    const kinds = types === undefined || types === null ? null : types
    if (kinds !== null && !(Array.isArray(kinds) && kinds.length === indices.length)) {
      const expected = `a list of ${indices.length}, as indices`
      throw new LazyRestoreError(
        'format',
        `${name}: field access_types: found ${describe(kinds)}, expected ${expected}`,
      )
    }
    for (const [i, index] of indices.entries()) {
      if (!isWhole(index, 0, Number.MAX_SAFE_INTEGER / GIB)) {
        throw new LazyRestoreError(
          'format',
          `${name}: indices[${i}]: found ${describe(index)}, expected a whole number`,
        )
      }
      const kind = kinds?.[i] ?? 'r'
      if (!['r', 'w', 'p'].includes(kind)) {
        throw new LazyRestoreError('format', `${name}: access_types[${i}]: found ${describe(kind)}, expected r, w or p`)
      }
      const place = { block: null, address: index * blockSize, timeNs: null }
      sink.add({ ...place, write: kind === 'w', who: '0' }, `${name}: indices[${i}]`)
    }
  },
})

function parse(bytes: Buffer, name: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new LazyRestoreError('format', `${name}: found no JSON (${(cause as Error).message}), expected E2B's list`, {
      cause,
    })
  }
}
