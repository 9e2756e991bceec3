/**
 * Demand, with the aligned window around the fault: neighbours in the file are cheap to read along and often wanted next.
 * The window is installed from the faulted page on, then from its start, so that the vCPU waits for no page before its own.
 */
import { option } from '../core/spec-string.ts'
import { KIB } from '../core/units.ts'
import { blockOfHostPage } from '../destination/layout.ts'
import { directOption, handlersOption, uffdMechanism } from './mechanisms.ts'
import { definePolicy } from './policy.ts'

export const readAround = definePolicy({
  name: 'read-around',
  summary: 'answer a fault with the aligned window around it',
  source: 'the fault-around of Linux mm/memory.c (do_fault_around), 64 KiB by default',
  options: {
    window: option('bytes', 64 * KIB, 'aligned window around the fault', 4096),
    handlers: handlersOption,
    direct: directOption,
  },
  create: ({ window, handlers, direct }, { layout }, name) => ({
    name,
    mechanism: uffdMechanism({ handlers, direct }),
    onFault: (page, plan) => {
      const { firstHostPage, endHostPage, hostPageSize } = blockOfHostPage(layout, page)
      const pages = Math.max(1, Math.floor(window / hostPageSize))
      const start = page - ((page - firstHostPage) % pages)
      plan.add(page, Math.min(start + pages, endHostPage) - page)
      if (page > start) plan.add(start, page - start)
    },
  }),
})
