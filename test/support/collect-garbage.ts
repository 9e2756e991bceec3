import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Collects what is dead, so that memory counted from now on is that of what comes.
 * Twice: V8 frees the buffers that one collection found dead beside whatever runs
 * next, and waits for it only when another begins.
 */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
}
