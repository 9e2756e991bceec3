/**
 * Demand, with what one read and one install call bring along: the neighbours of the faulted page in its aligned window of N
 * pages, outward from it as long as they have data too (or, for a zero page, are zero too). Handlers of Firecracker VMs do
 * so with userfaultfd, after the fault-around of Linux. `read-around` installs the whole window, whatever is in it.
 */
import { option } from '../core/spec-string.ts'
import { likeRun } from './like-run.ts'
import { directOption, handlersOption, uffdMechanism } from './mechanisms.ts'
import { definePolicy } from './policy.ts'

export const faultAround = definePolicy({
  name: 'fault-around',
  summary: 'answer a fault with the neighbours of its kind, by one read and one install',
  source: 'fcvm (ejc3/fcvm PR 955 ff.), fault-around of 64 KiB; Linux mm/filemap.c filemap_map_pages',
  options: {
    pages: option('count', 16, 'host pages of the aligned window', 1, 512),
    handlers: handlersOption,
    direct: directOption,
  },
  create: ({ pages, handlers, direct }, { layout }, name) => ({
    name,
    mechanism: uffdMechanism({ handlers, direct }),
    onFault: (page, plan) => {
      const { first, end } = likeRun(layout, page, pages)
      plan.add(first, end - first)
    },
  }),
})
