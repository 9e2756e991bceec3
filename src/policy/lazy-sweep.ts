/**
 * Demand plus one background worker that walks all memory in order, so that the restore ends. The worker may be slowed to a
 * rate and may stand back while a fault waits: an unthrottled fill is what starves guests of Cloud Hypervisor v53
 * (agent-substrate issues 847 and 1048).
 */

import { option } from '../core/spec-string.ts'
import { MIB } from '../core/units.ts'
import { directOption, handlersOption, uffdMechanism, yieldOption } from './mechanisms.ts'
import { thatPage } from './plan.ts'
import { definePolicy } from './policy.ts'
import { Sweep } from './sweep.ts'

export const lazySweep = definePolicy({
  name: 'lazy-sweep',
  summary: 'answer faults, and fill memory in order in the background',
  source: 'Cloud Hypervisor v53 background prefault, with larger steps; rate and yield are ours',
  options: {
    handlers: handlersOption,
    chunk: option('bytes', MIB, 'what the worker reads and installs at a time', 4096),
    rate: option('bytes', 0, 'bytes per second of the background fill; 0: unlimited'),
    yield: yieldOption,
    direct: directOption,
  },
  create: ({ handlers, chunk, rate, yield: yieldToFaults, direct }, { layout }, name) => {
    const sweep = new Sweep(layout, chunk)
    return {
      name,
      mechanism: uffdMechanism({
        handlers,
        workers: 1,
        direct,
        readBytes: chunk,
        zeroBytes: chunk,
        yieldToFaults,
        rateBytesPerS: rate === 0 ? null : rate,
      }),
      onFault: thatPage,
      next: plan => sweep.next(plan),
    }
  },
})
