/**
 * Load all with several threads that read past the page cache, then run. What QEMU does with multifd and direct-io:
 * the channels take turns at runs of 1 MiB.
 */

import { option } from '../core/spec-string.ts'
import { MIB } from '../core/units.ts'
import { loadMechanism, MAX_THREADS } from './mechanisms.ts'
import { thatPage } from './plan.ts'
import { definePolicy } from './policy.ts'
import { Sweep } from './sweep.ts'

export const eagerMulti = definePolicy({
  name: 'eager-multi',
  summary: 'load all memory with several channels, then run the VM; direct reads',
  source: 'QEMU >= 9.1, migrate-incoming file:, mapped-ram + multifd + direct-io',
  options: {
    channels: option('count', 4, 'loading threads', 1, MAX_THREADS),
    direct: option('boolean', true, 'read past the page cache (O_DIRECT)'),
    read: option('bytes', MIB, 'largest read', 4096),
  },
  create: ({ channels, direct, read }, { layout }, name) => {
    const sweep = new Sweep(layout, read)
    return {
      name,
      mechanism: loadMechanism({ workers: channels, direct, readBytes: read }),
      begin: plan => sweep.next(plan),
      onFault: thatPage,
    }
  },
})
