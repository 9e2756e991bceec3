/**
 * REAP: the pages of the first run are fetched by one large direct read of their file and installed before the VM runs; what
 * it wants beyond is served singly, through the page cache, and nothing is filled in the background. The recording itself
 * is not part of it here: it comes from `trace record`, or is the workload's own.
 */

import { option } from '../core/spec-string.ts'
import { GIB } from '../core/units.ts'
import { handlersOption, uffdMechanism } from './mechanisms.ts'
import { thatPage } from './plan.ts'
import { definePolicy } from './policy.ts'
import { RecordedPages, requireWorkingSet } from './recorded-pages.ts'

/** Of one plan, and so of one read; REAP's working sets have some thousand runs. */
const MOST_RUNS = 2 ** 20

export const reap = definePolicy({
  name: 'reap',
  summary: 'recorded pages by one large direct read before the VM runs, then only faults',
  source: "REAP, Ustiugov et al., ASPLOS'21; vHive memory/manager",
  usesWorkingSet: true,
  options: {
    read: option('bytes', GIB, 'largest read of the working-set file', 4096, GIB),
    handlers: handlersOption,
  },
  create: ({ read, handlers }, context, name) => {
    const pages = requireWorkingSet(context, name)
    const recorded = new RecordedPages(context.layout, pages, read)
    return {
      name,
      mechanism: uffdMechanism({
        handlers,
        workers: 1,
        workingSetDirect: true,
        workingSetReadBytes: read,
        planRuns: Math.min(Math.max(pages.length, 1024), MOST_RUNS),
      }),
      begin: plan => recorded.next(plan),
      onFault: thatPage,
    }
  },
})
