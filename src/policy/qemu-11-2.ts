/**
 * QEMU 11.2's Fast Snapshot Load: a fault thread that loads the page itself, and an eager thread that walks every block
 * host page by host page; a claim bit per page decides who loads it. Reads are one target page each, buffered; nothing is
 * batched and the two threads have equal priority.
 */

import { uffdMechanism } from './mechanisms.ts'
import { thatPage } from './plan.ts'
import { definePolicy } from './policy.ts'
import { Sweep } from './sweep.ts'

const PAGE_READ = 4096

export const qemu112 = definePolicy({
  name: 'qemu-11.2',
  summary: 'one fault thread and one eager thread, page by page, as QEMU 11.2',
  source: 'QEMU 11.2, docs/devel/migration/fast-snapshot-load',
  options: {},
  create: (_options, { layout }, name) => {
    const sweep = new Sweep(layout, PAGE_READ)
    return {
      name,
      mechanism: uffdMechanism({ workers: 1, readBytes: PAGE_READ, zeroBytes: PAGE_READ }),
      onFault: thatPage,
      next: plan => sweep.next(plan),
    }
  },
})
