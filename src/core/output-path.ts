/**
 * Where a file goes that is written under a temporary name and renamed. A rename takes the place of whatever has the name, of a
 * device and of a link too: what is no file is refused, and of a link its target is replaced.
 */
import { readlink, realpath, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { LazyRestoreError } from './error.ts'

/** The path to rename to. @throws LazyRestoreError `io` for what is no file; what the operating system says otherwise */
export async function outputPath(path: string): Promise<string> {
  const real = await realOrMissing(path)
  const found = await stat(real).catch(absent)
  if (found === null || found.isFile()) return real
  const kind = found.isDirectory() ? 'directory' : found.isFIFO() ? 'pipe' : found.isSocket() ? 'socket' : 'device'
  throw new LazyRestoreError('io', `${path}: found a ${kind}, expected a file to write`)
}

async function realOrMissing(path: string): Promise<string> {
  const real = await realpath(path).catch(absent)
  if (real !== null) return real
  // Nothing is there, or a link to nothing, which is followed as open(2) would. A circle of links is another error.
  const target = await readlink(path).catch(() => null)
  return target === null ? path : realOrMissing(resolve(dirname(path), target))
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}
