/**
 * Where a snapshot's bytes come from: a file, memory, later a URL. Three members, so that each kind is a few lines and a
 * test can wrap one to count what it reads.
 */

export interface ByteSource {
  /** What to call it in an error message: a path, or a description. */
  readonly name: string
  readonly byteLength: number
  /**
   * Fills the whole of `target` with the bytes at `offset`.
   * @throws LazyRestoreError `io` on a read error or when the source ends early; the message names offset and lengths.
   */
  read(offset: number, target: Uint8Array): Promise<void>
}
