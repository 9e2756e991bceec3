/**
 * Recorded pages first, then a sweep. The working-set file holds the recorded pages that have data, whole host pages one
 * after the other in the order of first use: large sequential reads, scattered installs (REAP, ASPLOS'21). Recorded zero
 * pages need no bytes. With `wait` the VM starts only when the working set is resident, as in REAP; without, it runs at once
 * and the working set races ahead of it.
 */

import { option } from '../core/spec-string.ts'
import { MIB } from '../core/units.ts'
import { directOption, handlersOption, uffdMechanism, yieldOption } from './mechanisms.ts'
import { thatPage } from './plan.ts'
import { definePolicy } from './policy.ts'
import { RecordedPages, requireWorkingSet } from './recorded-pages.ts'
import { Sweep } from './sweep.ts'

export const workingSet = definePolicy({
  name: 'working-set',
  summary: 'recorded pages first, from a contiguous file, then fill memory in order',
  source: "REAP, ASPLOS'21 (vHive memory/manager); the sweep behind it is ours",
  usesWorkingSet: true,
  options: {
    wait: option('boolean', false, 'the VM starts when the working set is resident'),
    sweep: option('boolean', true, 'fill the rest of memory in the background'),
    direct: directOption,
    read: option('bytes', MIB, 'largest read of the working-set file', 4096),
    yield: yieldOption,
    handlers: handlersOption,
  },
  create: ({ wait, sweep, direct, read, yield: yieldToFaults, handlers }, context, name) => {
    const { layout } = context
    const recorded = new RecordedPages(layout, requireWorkingSet(context, name), read)
    const rest = new Sweep(layout, MIB)
    return {
      name,
      mechanism: uffdMechanism({
        handlers,
        workers: 1,
        direct,
        workingSetReadBytes: read,
        yieldToFaults,
      }),
      begin: plan => {
        if (wait) recorded.next(plan)
      },
      onFault: thatPage,
      next: plan => {
        recorded.next(plan)
        if (plan.length === 0 && sweep) rest.next(plan)
      },
    }
  },
})
