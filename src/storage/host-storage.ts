/** This host's own storage, for engines that read real files: the state of the page cache is all that can be chosen. */
import { LazyRestoreError } from '../core/error.ts'
import { option, parseSpec, resolveOptions } from '../core/spec-string.ts'
import type { Storage } from './device.ts'

/** Engines that read real files do not look at it. */
const NO_MODEL = {
  latencyNs: 0,
  latencyP99Ns: 0,
  bandwidthBytesPerS: 0,
  iopsLimit: 0,
  queueDepth: 1,
  haltPollNs: 0,
  idleWakeNs: 0,
  cpuPerReadNs: 0,
  cpuPerRead4kNs: 0,
} as const

const OPTIONS = { cache: option('text', 'cold', 'page cache before the restore: cold (evicted) or warm (read in)') }

/** `host`, `host:cache=warm`. @throws LazyRestoreError `usage` */
export function hostStorage(text: string): Storage {
  const spec = parseSpec(text)
  if (spec.name !== 'host' || spec.positional !== null) {
    throw new LazyRestoreError(
      'usage',
      `storage: found "${text}" for a real restore, expected host or host:cache=warm: it uses the storage that the file is on`,
    )
  }
  const { cache } = resolveOptions(spec, OPTIONS)
  if (cache !== 'cold' && cache !== 'warm') {
    throw new LazyRestoreError('usage', `storage host: option cache: found "${cache}", expected cold or warm`)
  }
  return { name: text, cacheWarm: cache === 'warm', device: NO_MODEL }
}
