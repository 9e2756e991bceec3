/**
 * Load all, then run: one thread reads runs of set bits into memory, in file order, and the VM starts when the last one is
 * in. What QEMU does with `-incoming file:` and mapped-ram; it cuts runs at 1 MiB (MAPPED_RAM_LOAD_BUF_SIZE).
 */

import { option } from '../core/spec-string.ts'
import { MIB } from '../core/units.ts'
import { loadMechanism } from './mechanisms.ts'
import { thatPage } from './plan.ts'
import { definePolicy } from './policy.ts'
import { Sweep } from './sweep.ts'

export const eager = definePolicy({
  name: 'eager',
  summary: 'load all memory, then run the VM; one thread, buffered reads',
  source: 'QEMU >= 9.0, migrate-incoming file:, mapped-ram without multifd',
  options: { read: option('bytes', MIB, 'largest read', 4096) },
  create: ({ read }, { layout }, name) => {
    const sweep = new Sweep(layout, read)
    return {
      name,
      mechanism: loadMechanism({ workers: 1, direct: false, readBytes: read }),
      begin: plan => sweep.next(plan),
      onFault: thatPage,
    }
  },
})
