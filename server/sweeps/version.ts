/**
 * Which code has made a cell: the package's version, and a digest over the built files that decide what a restore gives. The
 * cells of one sweep are all of one version; of two builds that differ in nothing else both are the same.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LazyRestoreError, VERSION } from 'lazyrestore'
import { builtFile } from '../jobs/built-file.ts'

const FOLDERS = [
  'core',
  'snapshot',
  'destination',
  'workload',
  'resolver',
  'storage',
  'policy',
  'working-set',
  'engine',
  'sim',
  'uffd',
  'experiment',
]
const DIGITS = 12

let known: string | null = null

/** `0.1.0+` and the digest. @throws LazyRestoreError `io` when there is no build */
export function cellVersion(): string {
  known ??= `${VERSION}+${digestOfBuild(fileURLToPath(builtFile('../', import.meta.url)))}`
  return known
}

function digestOfBuild(root: string): string {
  const hash = createHash('sha256')
  try {
    for (const folder of FOLDERS) {
      const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      for (const file of files.filter(name => name.endsWith('.js')).sort()) {
        hash.update(`${folder}/${file}\0`).update(readFileSync(join(root, folder, file)))
      }
    }
  } catch (cause) {
    throw new LazyRestoreError('io', `${root}: found no build (${(cause as Error).message}), expected one`, { cause })
  }
  return hash.digest('hex').slice(0, DIGITS)
}
