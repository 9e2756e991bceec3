/**
 * The default workload: a small service that goes on where it was saved. It touches a few per cent of its memory, mostly
 * pages with data, in short runs scattered over the guest-physical space, and comes back to what it has touched.
 */
import { accessOptions, allocateColumns, checkRequest, drawTimesAndWrites, evenParts, toWorkload } from './columns.ts'
import { defineWorkload } from './definition.ts'
import { planTouches, Toucher, workingSetOptions } from './touch-plan.ts'

export const workingSet = defineWorkload({
  name: 'working-set',
  summary: 'a small service: short scattered runs over a few per cent of memory, each page used again',
  source: "REAP (ASPLOS'21) for size and run length, fcvm #742 for the order; see docs/workloads.md",
  options: {
    ...workingSetOptions,
    ...accessOptions({ think: 2000, jitter: 0.5, write: 0.2, vcpus: 2 }),
  },
  create: (options, memory, seed, name) => {
    checkRequest(name, options, memory)
    const plan = planTouches(name, options, memory, seed)
    const ownPages = evenParts(plan.order.length, options.vcpus)
    const columns = allocateColumns(
      name,
      ownPages.map(pages => pages * (1 + options.reuse)),
      memory,
    )
    for (let vcpu = 0; vcpu < options.vcpus; vcpu++) {
      const toucher = new Toucher(plan, vcpu, seed)
      toucher.fill(columns.page, columns.starts[vcpu], columns.starts[vcpu + 1], toucher.ownPages)
    }
    drawTimesAndWrites(columns, options, seed)
    return toWorkload(name, memory, seed, columns)
  },
})
