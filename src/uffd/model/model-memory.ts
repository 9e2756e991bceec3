/**
 * A stretch of a simulated process's memory: the model's twin of ../memory-region.ts. Looking at it touches nothing, so a test
 * can compare what is there while pages are missing.
 */
import type { BlockMemory, MemoryKind } from '../../destination/host-pages.ts'
import type { ModelProcess } from './model-process.ts'
import type { ModelFile } from './page.ts'

export interface ModelMemoryOptions extends BlockMemory {
  /** A multiple of the host page size. */
  readonly byteLength: number
  /** shmem and hugetlb: a shared mapping of a file, unless false. Anonymous memory is private. */
  readonly shared?: boolean
}

export class ModelMemory {
  readonly kind: MemoryKind
  readonly hostPageSize: number
  readonly byteLength: number
  readonly address: number
  /** What is mapped, to fill its page cache, punch holes or truncate; null for anonymous memory. */
  readonly file: ModelFile | null
  readonly #process: ModelProcess

  /** Use `ModelProcess.createMemory`. */
  constructor(process: ModelProcess, address: number, options: ModelMemoryOptions, file: ModelFile | null) {
    this.#process = process
    this.kind = options.kind
    this.hostPageSize = options.hostPageSize
    this.byteLength = options.byteLength
    this.address = address
    this.file = file
  }

  /** The bytes of pages that are present; zeros stand for the others. */
  bytes(offset = 0, length = this.byteLength - offset): Uint8Array {
    return this.#process.peek(this.address + offset, length)
  }

  /** Whether a page table entry maps the page at `offset`. */
  isPresent(offset: number): boolean {
    return this.#process.isPresent(this.address + offset)
  }

  /** Host pages that are present. */
  get presentPages(): number {
    let present = 0
    for (let offset = 0; offset < this.byteLength; offset += this.hostPageSize) if (this.isPresent(offset)) present++
    return present
  }
}
