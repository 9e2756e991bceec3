/** QEMU's mapped-ram and fixed-ram, behind the seam for formats; the reader itself is ../qemu-snapshot.ts. */
import { LIBVIRT_MAGIC_PREFIX, startsWith } from '../container.ts'
import { expectFile } from '../memory-image.ts'
import { type ReadOptions, readSnapshot } from '../qemu-snapshot.ts'
import { STREAM_MAGIC } from '../stream-format.ts'
import { snapshotReader } from './reader.ts'

export const qemuReader = snapshotReader({
  format: 'mapped-ram',
  writtenBy: 'QEMU, capability mapped-ram (or fixed-ram); libvirt, save image format sparse',
  options: {},
  recognises: ({ head }) => startsWith(head, STREAM_MAGIC) || startsWith(head, LIBVIRT_MAGIC_PREFIX),
  async read(subject, options: ReadOptions) {
    return readSnapshot(expectFile(subject, 'a snapshot file'), options)
  },
})
