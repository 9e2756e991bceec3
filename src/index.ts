/** The library's public face: named exports, nothing else. */

export type { ErrorCode } from './core/error.ts'
export { LazyRestoreError } from './core/error.ts'
