/**
 * What opens the migration stream, up to where pages may be sent: magic and configuration, the RAM blocks, and the order to
 * empty them. Written from the snapshot and the destination's layout. QEMU migration/savevm.c and migration/ram.c
 * (ram_save_setup); of the configuration the capabilities are left out, as they are those of a file.
 */
import { LazyRestoreError } from '../core/error.ts'
import type { Layout } from '../destination/layout.ts'
import { ByteWriter } from '../snapshot/byte-writer.ts'
import type { ByteRange, Snapshot } from '../snapshot/snapshot.ts'
import {
  ELEMENT_EOF,
  ELEMENT_SECTION_END,
  ELEMENT_SECTION_FOOTER,
  ELEMENT_SECTION_START,
  RAM_FLAG_EOS,
  RAM_FLAG_MEM_SIZE,
  RAM_SECTION_NAME,
  RAM_SECTION_VERSION,
  STREAM_MAGIC,
  STREAM_VERSION,
} from '../snapshot/stream-format.ts'
import { discardBlock } from './commands.ts'
import { MAX_TARGET_PAGE_BYTES } from './piece-encoder.ts'

/** The largest configuration that is sent: a machine name and subsections of some bytes. */
const MAX_CONFIGURATION_BYTES = 64 * 1024

/** What a snapshot must have to be sent to a QEMU. */
export interface Migratable {
  readonly snapshot: Snapshot
  readonly layout: Layout
  readonly ramSectionId: number
  readonly configuration: readonly ByteRange[]
  readonly deviceState: ByteRange
  readonly targetPageSize: number
}

/** @throws LazyRestoreError `unsupported` when the snapshot lacks what a VM needs beside its memory */
export function migratable(layout: Layout): Migratable {
  const { snapshot } = layout
  const { name, ramSectionId, deviceState, configuration } = snapshot
  if (ramSectionId === null || deviceState === null || deviceState.length === 0 || configuration == null) {
    throw new LazyRestoreError(
      'unsupported',
      `${name}: found a snapshot without device state, expected one that QEMU wrote: a VM is more than its memory`,
    )
  }
  const shared = snapshot.blocks.find(({ ignored }) => ignored)
  if (shared !== undefined) {
    throw new LazyRestoreError(
      'unsupported',
      `${name}: found block ${shared.name}, whose memory is shared and not in the file, expected all memory in the file`,
    )
  }
  const targetPageSize = snapshot.blocks[0].pageSize
  if (targetPageSize > MAX_TARGET_PAGE_BYTES) {
    throw new LazyRestoreError(
      'unsupported',
      `${name}: found target pages of ${targetPageSize} bytes, expected at most ${MAX_TARGET_PAGE_BYTES}`,
    )
  }
  return { snapshot, layout, ramSectionId, deviceState, configuration, targetPageSize }
}

/** Magic, version and configuration. */
export async function streamHead({ snapshot, configuration }: Migratable): Promise<Uint8Array> {
  const head = new ByteWriter().bytes(STREAM_MAGIC).u32(STREAM_VERSION)
  const length = configuration.reduce((sum, range) => sum + range.length, 0)
  if (length > MAX_CONFIGURATION_BYTES) {
    throw new LazyRestoreError(
      'limit',
      `${snapshot.name}: configuration section: found ${length} bytes, expected at most ${MAX_CONFIGURATION_BYTES}`,
    )
  }
  for (const range of configuration) {
    const bytes = new Uint8Array(range.length)
    await snapshot.source.read(range.offset, bytes)
    head.bytes(bytes)
  }
  return head.finish()
}

/** Bitwise OR of all host page sizes: what the destination compares with its own. */
export function pageSizeSummary({ layout }: Migratable): number {
  // Powers of two below 2^31.
  return layout.blocks.reduce((sum, { hostPageSize }) => sum | hostPageSize, 0)
}

/** The RAM section's start: every block with its length, and its page size where that is not the host's own. */
export function ramSectionStart({ layout, ramSectionId }: Migratable): Uint8Array {
  const basePageSize = Math.min(...layout.blocks.map(({ hostPageSize }) => hostPageSize))
  const out = new ByteWriter()
    .u8(ELEMENT_SECTION_START)
    .u32(ramSectionId)
    .name(RAM_SECTION_NAME)
    .u32(0)
    .u32(RAM_SECTION_VERSION)
    .u64(layout.byteLength + RAM_FLAG_MEM_SIZE)
  for (const { block, hostPageSize } of layout.blocks) {
    out.name(block.name).u64(block.usedLength)
    if (hostPageSize !== basePageSize) out.u64(hostPageSize)
  }
  return out.u64(RAM_FLAG_EOS).u8(ELEMENT_SECTION_FOOTER).u32(ramSectionId).finish()
}

/**
 * Empties every block. A destination that hears LISTEN without any discard before it takes later pages for precopy ones and
 * hangs (seen in 10.0.13).
 */
export function discardAll({ layout }: Migratable): Uint8Array {
  const out = new ByteWriter()
  for (const { block } of layout.blocks) out.bytes(discardBlock(block.name, block.usedLength))
  return out.finish()
}

/** The RAM section's end, and the stream's. */
export function streamEnd({ ramSectionId }: Migratable): Uint8Array {
  return new ByteWriter()
    .u8(ELEMENT_SECTION_END)
    .u32(ramSectionId)
    .u64(RAM_FLAG_EOS)
    .u8(ELEMENT_SECTION_FOOTER)
    .u32(ramSectionId)
    .u8(ELEMENT_EOF)
    .finish()
}

/** The end of the connection for requested pages, which ends the thread that reads it. */
export function urgentEnd(): Uint8Array {
  return new ByteWriter().u64(RAM_FLAG_EOS).finish()
}
