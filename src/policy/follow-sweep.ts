/**
 * Demand plus a background sweep that goes on from the last fault: what lies behind it is likely to be wanted next, and what
 * the cursor jumped over comes when it comes round. So, with a network in between, does QEMU's postcopy source, which
 * carries on behind the page that it was asked for. Small chunks, or a jump comes late.
 */
import { option } from '../core/spec-string.ts'
import { KIB } from '../core/units.ts'
import { JumpingSweep } from './jumping-sweep.ts'
import { directOption, handlersOption, uffdMechanism, yieldOption } from './mechanisms.ts'
import { definePolicy } from './policy.ts'
import { standaloneHost } from './policy-host.ts'

export const followSweep = definePolicy({
  name: 'follow-sweep',
  summary: 'answer faults, and fill memory from the last fault on in the background',
  source: 'QEMU migration/ram.c: after a requested page, the search for pages goes on behind it',
  options: {
    handlers: handlersOption,
    chunk: option('bytes', 256 * KIB, 'what the worker reads and installs at a time', 4096),
    yield: yieldOption,
    direct: directOption,
  },
  create: ({ handlers, chunk, yield: yieldToFaults, direct }, { layout }, name) => {
    let { faults } = standaloneHost()
    let faultsSeen = 0
    const sweep = new JumpingSweep(layout)
    return {
      name,
      mechanism: uffdMechanism({
        handlers,
        workers: 1,
        direct,
        readBytes: chunk,
        zeroBytes: chunk,
        yieldToFaults,
      }),
      start: host => {
        faults = host.faults
      },
      onFault: (page, plan) => {
        faults.publish(page)
        plan.add(page, 1)
      },
      next: plan => {
        const { count } = faults
        if (count !== faultsSeen) sweep.jumpTo(faults.lastPage + 1)
        faultsSeen = count
        sweep.next(plan, chunk)
      },
    }
  },
})
