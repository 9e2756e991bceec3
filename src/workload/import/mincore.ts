/**
 * A map of resident pages of the memory file: bit i (lowest first) of byte i/8 for page i, as fcvm keeps beside its snapshots,
 * or with `entry=byte` what mincore(2) fills in, a byte a page of which bit 0 counts. A set: neither order nor times. Pages
 * come by address.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { option } from '../../core/spec-string.ts'
import { defineImporter } from './importer.ts'

const BLOCK_BYTES = 1024 * 1024

export const mincore = defineImporter({
  name: 'mincore',
  summary: 'a map of pages of the memory file, a bit or a byte each',
  source: 'mincore(2); fcvm #955, bitmap sidecar',
  has: 'set',
  options: {
    entry: option('text', 'bit', 'what a page has: bit or byte'),
    page: option('bytes', 4096, 'bytes that an entry stands for', 512),
  },
  detect: () => false, // any bytes are one
  read: async (source, sink, { entry, page }) => {
    if (entry !== 'bit' && entry !== 'byte') {
      throw new LazyRestoreError('usage', `mincore: option entry: found "${entry}", expected bit or byte`)
    }
    const each = entry === 'bit' ? 8 : 1
    const buffer = Buffer.alloc(Math.min(BLOCK_BYTES, source.byteLength))
    for (let offset = 0; offset < source.byteLength; offset += buffer.length) {
      const bytes = buffer.subarray(0, Math.min(buffer.length, source.byteLength - offset))
      await source.read(offset, bytes)
      for (let i = 0; i < bytes.length; i++) {
        for (let bit = 0; bit < each; bit++) {
          if (((bytes[i] >>> bit) & 1) === 0) continue
          const address = ((offset + i) * each + bit) * page
          const where = `${source.name}: 0x${(offset + i).toString(16)}`
          sink.add({ block: null, address, timeNs: null, write: false, who: '0' }, where)
        }
      }
    }
  },
})
