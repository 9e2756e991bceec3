/**
 * Pure demand: start with nothing, install each page when it faults, nothing else ever. The least I/O, and every first
 * touch pays a round trip. Firecracker's on-demand example handler and Cloud Hypervisor v52 do it so.
 */

import { directOption, handlersOption, uffdMechanism } from './mechanisms.ts'
import { thatPage } from './plan.ts'
import { definePolicy } from './policy.ts'

export const lazy = definePolicy({
  name: 'lazy',
  summary: 'install each page when it faults, and nothing else',
  source: 'Firecracker examples/uffd on_demand_handler; Cloud Hypervisor v52 memory_restore_mode=ondemand',
  options: {
    handlers: handlersOption,
    direct: directOption,
  },
  create: ({ handlers, direct }, _context, name) => ({
    name,
    mechanism: uffdMechanism({ handlers, direct }),
    onFault: thatPage,
  }),
})
