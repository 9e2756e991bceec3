/**
 * QEMU's trace, backend `log`, of a postcopy destination: `-trace enable=postcopy_ram_fault_thread_request -D FILE`. The event
 * has the block and the offset in it, so that no address map is needed (migration/trace-events):
 *
 *   postcopy_ram_fault_thread_request Request for HVA=0x7efe2a505000 rb=pc.ram offset=0x105000 pid=28494
 *   28577@1795891617.827779:postcopy_ram_fault_thread_request Request for HVA=…            (with -msg timestamp=on)
 *
 * Without timestamps only the order is there. `pid` is the thread that faulted, where the kernel told it.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { describe } from '../../core/fields.ts'
import { forEachLine } from '../../core/lines.ts'
import { parseHex } from './event-line.ts'
import { defineImporter } from './importer.ts'

const EVENT = 'postcopy_ram_fault_thread_request'
const LINE =
  /^(?:\d+@(\d+)\.(\d{6}):)?postcopy_ram_fault_thread_request Request for HVA=\S+ rb=(\S+) offset=(\S+) pid=(\d+)\s*$/

export const qemuLog = defineImporter({
  name: 'qemu-log',
  summary: `QEMU's trace log, event ${EVENT}`,
  source: 'QEMU, migration/trace-events and scripts/tracetool/backend/log.py',
  has: 'times',
  options: {},
  detect: head => head.includes(`${EVENT} Request for HVA=`),
  read: async (source, sink) => {
    // Seconds since 1970 and ns are more digits than a number has.
    let firstSecond = Number.NaN
    await forEachLine(source, (text, line) => {
      if (!text.includes(EVENT)) return
      const where = `${source.name}: line ${line}`
      const match = LINE.exec(text)
      if (match === null) {
        const expected = `[thread@seconds:]${EVENT} Request for HVA=… rb=BLOCK offset=… pid=…`
        throw new LazyRestoreError('format', `${where}: found ${describe(text.trim())}, expected ${expected}`)
      }
      const [, seconds, micros, block, offset, pid] = match
      if (Number.isNaN(firstSecond)) firstSecond = Number(seconds)
      const timeNs = seconds === undefined ? null : (Number(seconds) - firstSecond) * 1e9 + Number(micros) * 1e3
      sink.add({ block, address: parseHex(offset, 'offset', where), timeNs, write: false, who: pid }, where)
    })
  },
})
