/**
 * The one error class. `code` is what a caller may branch on; the message says what was found, where (file, offset or
 * field) and what was expected; `cause` keeps the error underneath.
 */

export type ErrorCode =
  /** The command line, a spec string or an option is wrong. */
  | 'usage'
  /** A file's content breaks its format. */
  | 'format'
  /** A file's format is known but this variant is not supported. */
  | 'unsupported'
  /** The operating system refused, or a read came back short. */
  | 'io'
  /** Two things that must belong together do not (trace and snapshot, layout and policy). */
  | 'mismatch'
  /** It was told to stop before its end. */
  | 'interrupted'
  /** A limit that keeps memory or time bounded was exceeded. */
  | 'limit'

export class LazyRestoreError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'LazyRestoreError'
    this.code = code
  }
}
