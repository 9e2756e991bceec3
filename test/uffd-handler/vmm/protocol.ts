/**
 * How a test and its VMM talk. The VMM gets its configuration as JSON in its only parameter, then commands as lines of JSON on stdin, and
 * answers each on stdout by a line with the command's id; lines without an id are events. Pages are of 4 KiB whatever the
 * memory lies on, numbered through all regions as in the memory file.
 */

export interface VmmConfig {
  /** The Unix socket that the handler listens on. */
  readonly socket: string
  readonly kind: 'anon' | 'hugetlb'
  readonly hostPageSize: number
  /** Bytes of each region; more than one as on either side of an MMIO hole. */
  readonly regions: readonly number[]
  readonly handshake?: HandshakeConfig
}

/** What is to be other than Firecracker does it. */
export interface HandshakeConfig {
  /** Sent in place of the regions; the empty string: nothing is sent at all. */
  readonly text?: string
  /** What goes with it: the userfaultfd, nothing, a descriptor of another kind, or the userfaultfd and another one. */
  readonly descriptors?: 'userfaultfd' | 'none' | 'file' | 'userfaultfd and file'
  /** `page_size` as well, or `page_size_kib` alone as versions before 1.10 sent it. */
  readonly fields?: 'both' | 'old'
  /** Added to the offset of every region. */
  readonly offsetShift?: number
}

export type PageRun = readonly [first: number, count: number]

export type VmmCommand =
  /**
   * A KVM guest folds each of these pages (foldWords): `folds` is by page, base64 of 32-bit words, 0 for pages not
   * asked for. In the order given, or in one shuffled by `seed`; dealt out to the vCPUs in turn. With `kicks`, signals call the
   * vCPUs out of the guest all the time, as a VMM does that has something to tell them.
   */
  | {
      readonly do: 'fold'
      readonly vcpus: number
      readonly pages: readonly PageRun[]
      readonly seed?: number
      readonly kicks?: boolean
    }
  /** madvise(MADV_DONTNEED) of one run after the other, as a balloon does. */
  | { readonly do: 'remove'; readonly pages: readonly PageRun[]; readonly pauseMs?: number }
  /** Fills each of these pages with one byte, from a thread of this process. */
  | { readonly do: 'write'; readonly pages: readonly PageRun[]; readonly value: number }
  /** Looks at the memory without touching it. */
  | { readonly do: 'inspect' }

export interface VmmResults {
  readonly fold: { readonly folds: string }
  readonly remove: { readonly removed: number }
  readonly write: { readonly written: number }
  /** `installed`: a bit per page, base64 of a Bitmap; `folds` as above, of the installed pages. */
  readonly inspect: { readonly installed: string; readonly folds: string }
}

export type VmmLine =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string }
  /** `connected`: the handshake is sent now. `disconnected`: the handler has closed its end. */
  | { readonly event: 'connected' | 'disconnected' }

export const PAGE_BYTES = 4096
