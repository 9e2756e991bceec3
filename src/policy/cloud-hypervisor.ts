/**
 * Cloud Hypervisor since v53, `memory_restore_mode=ondemand`: one thread waits for faults with a timeout of 0, and whenever
 * there is none installs the next page of a sequential cursor, one page an iteration, by one pread and one COPY. Its
 * snapshots have no bitmap, so that it copies zero pages too; here they are installed by ZEROPAGE, one at a time as well.
 *
 * One thread there is a handler and a worker here that starts nothing while a fault waits.
 */

import { uffdMechanism } from './mechanisms.ts'
import { thatPage } from './plan.ts'
import { definePolicy } from './policy.ts'
import { Sweep } from './sweep.ts'

export const cloudHypervisor = definePolicy({
  name: 'cloud-hypervisor',
  summary: 'one page in order whenever no fault waits, as Cloud Hypervisor v53',
  source: 'Cloud Hypervisor v53, vmm/src/memory_manager.rs, PR 8150: background prefault',
  options: {},
  create: (_options, { layout }, name) => {
    const sweep = new Sweep(layout, 1)
    return {
      name,
      mechanism: uffdMechanism({ workers: 1, zeroBytes: 4096, yieldToFaults: true }),
      onFault: thatPage,
      next: plan => sweep.next(plan),
    }
  },
})
