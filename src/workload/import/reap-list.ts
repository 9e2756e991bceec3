/**
 * REAP's trace (vHive memory/manager/trace.go; FaaSnap's reap/trace.go is the same): a hexadecimal offset in the guest's memory
 * file on each line, without 0x, in the order of the faults. No times.
 */
import { forEachLine } from '../../core/lines.ts'
import { parseHex } from './event-line.ts'
import { defineImporter } from './importer.ts'

export const reapList = defineImporter({
  name: 'reap',
  summary: "REAP's trace: a hexadecimal offset in the memory file on each line",
  source: 'vHive, memory/manager/trace.go',
  has: 'order',
  options: {},
  detect: head => /^[0-9a-f]{1,12}\r?\n[0-9a-f]{1,12}\r?(\n|$)/i.test(head),
  read: async (source, sink) => {
    await forEachLine(source, (text, line) => {
      const entry = text.trim()
      if (entry === '') return
      const where = `${source.name}: line ${line}`
      sink.add({ block: null, address: parseHex(entry, 'offset', where), timeNs: null, write: false, who: '0' }, where)
    })
  },
})
