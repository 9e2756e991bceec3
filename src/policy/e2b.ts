/**
 * E2B: the recorded pages are fetched one by one from the snapshot, in order, by sixteen fetchers beside the running VM, and
 * faults are answered by threads of their own. The list is what two runs have in common: build it with `workingset build
 * --min-runs 2`. There eight more workers copy what was fetched; here each worker copies what it fetched itself, which takes
 * microseconds where a fetch from E2B's remote store takes milliseconds. Memory that is not on the list comes by faults only.
 */

import { option } from '../core/spec-string.ts'
import { directOption, MAX_THREADS, uffdMechanism } from './mechanisms.ts'
import { thatPage } from './plan.ts'
import { definePolicy } from './policy.ts'
import { requireWorkingSet } from './recorded-pages.ts'

export const e2b = definePolicy({
  name: 'e2b',
  summary: 'recorded pages one by one, by many workers beside the running VM',
  source: 'E2B, e2b-dev/infra packages/orchestrator/pkg/sandbox/uffd: prefetcher, 16 fetch and 8 copy workers',
  usesWorkingSet: true,
  options: {
    fetchers: option('count', 16, 'workers that fetch and install', 1, MAX_THREADS),
    handlers: option('count', 4, 'threads that answer faults', 1, MAX_THREADS),
    direct: directOption,
  },
  create: ({ fetchers, handlers, direct }, context, name) => {
    const pages = requireWorkingSet(context, name)
    let cursor = 0
    return {
      name,
      mechanism: uffdMechanism({ handlers, workers: fetchers, direct }),
      onFault: thatPage,
      next: plan => {
        if (cursor < pages.length) plan.add(pages[cursor++], 1)
      },
    }
  },
})
