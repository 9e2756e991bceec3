/**
 * Writes a working-set file: the recorded host pages that have data, whole, one after the other in the order of first use,
 * behind a head that says what they are. The head is written last: a file that was cut short has none.
 */
import { crc32 } from 'node:zlib'
import { testBit } from '../core/bitmap.ts'
import { blockOfHostPage, type Layout } from '../destination/layout.ts'
import { assemble } from '../resolver/assemble.ts'
import { createResolution, resolve } from '../resolver/resolver.ts'
import { type ByteSink, replaceFile } from '../snapshot/file-sink.ts'
import { encodeHead, refuseBigEndian } from '../snapshot/framed-file.ts'
import {
  CHECKED_BYTES,
  contentOffsetBehind,
  listBytes,
  WORKING_SET_FRAME,
  type WorkingSetHeader,
} from './file-format.ts'
import { contentBytes, type WorkingSetContents } from './working-set.ts'

export interface WorkingSetContent {
  readonly layout: Layout
  /** Host pages in the order in which they are wanted, each once. */
  readonly pages: Uint32Array
  /** Names of the recordings that they come from. */
  readonly recordings: readonly string[]
  readonly minRuns: number
  readonly onProgress?: (page: number, pageCount: number) => void
}

/** Writes the file under a temporary name and renames it when it is complete. @throws LazyRestoreError `io` */
export async function buildWorkingSet(path: string, content: WorkingSetContent): Promise<WorkingSetContents> {
  let written: Omit<WorkingSetContents, 'path'> = { offset: 0, byteLength: 0 }
  await replaceFile(path, async sink => {
    written = await writeWorkingSet(sink, content)
  })
  return { path, ...written }
}

/** The same onto any sink; returns where in it the contents are. */
export async function writeWorkingSet(
  sink: ByteSink,
  content: WorkingSetContent,
): Promise<Omit<WorkingSetContents, 'path'>> {
  const { layout, pages } = content
  refuseBigEndian(layout.snapshot.name)
  const header = headerOf(content)
  const { head, crc: headCrc } = encodeHead(WORKING_SET_FRAME, { ...header })
  const offset = contentOffsetBehind(head.length + listBytes(header))
  const list = new Uint32Array(listBytes(header) / 4)
  list.set(pages)
  const contents = new ContentWriter(sink, offset, list.subarray(pages.length, -1))
  await copyPages(content, contents)
  await contents.finish()
  list[list.length - 1] = crc32(new Uint8Array(list.buffer, 0, list.byteLength - 4), headCrc)
  await sink.write(0, Buffer.concat([head, new Uint8Array(list.buffer)], offset))
  return { offset, byteLength: header.contentBytes }
}

function headerOf({ layout, pages, recordings, minRuns }: WorkingSetContent): WorkingSetHeader {
  return {
    snapshotIdentity: layout.snapshot.identity,
    pageSize: layout.blocks[0].block.pageSize,
    blocks: layout.blocks.map(({ block: { name, usedLength }, hostPageSize }) => ({ name, usedLength, hostPageSize })),
    pageCount: pages.length,
    contentBytes: contentBytes(layout, pages),
    recordings,
    minRuns,
  }
}

async function copyPages({ layout, pages, onProgress }: WorkingSetContent, contents: ContentWriter): Promise<void> {
  const largest = Math.max(...layout.blocks.map(({ hostPageSize }) => hostPageSize))
  const resolution = createResolution(layout, 1, largest)
  const buffer = new Uint8Array(largest)
  for (const [index, page] of pages.entries()) {
    if (!testBit(layout.hasData, page)) continue
    if ((index & 1023) === 0) onProgress?.(index, pages.length)
    const bytes = buffer.subarray(0, blockOfHostPage(layout, page).hostPageSize)
    const { length } = await assemble(layout.snapshot.source, resolve(layout, page, 1, largest, resolution), bytes)
    bytes.fill(0, length) // behind a block's end
    await contents.add(bytes)
  }
}

/** Gathers pages into pieces that are written, and have a CRC, each. */
class ContentWriter {
  readonly #sink: ByteSink
  readonly #crcs: Uint32Array
  readonly #piece = new Uint8Array(CHECKED_BYTES)
  #offset: number
  #filled = 0
  #pieces = 0

  constructor(sink: ByteSink, offset: number, crcs: Uint32Array) {
    this.#sink = sink
    this.#offset = offset
    this.#crcs = crcs
  }

  async add(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const part = bytes.subarray(done, done + CHECKED_BYTES - this.#filled)
      this.#piece.set(part, this.#filled)
      this.#filled += part.length
      done += part.length
      if (this.#filled === CHECKED_BYTES) await this.finish()
    }
  }

  /** Writes the piece as far as it is filled. */
  async finish(): Promise<void> {
    if (this.#filled === 0) return
    const bytes = this.#piece.subarray(0, this.#filled)
    this.#crcs[this.#pieces++] = crc32(bytes)
    await this.#sink.write(this.#offset, bytes)
    this.#offset += this.#filled
    this.#filled = 0
  }
}
