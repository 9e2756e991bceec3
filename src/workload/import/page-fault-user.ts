/**
 * Faults of processes: tracepoint `exceptions:page_fault_user` (x86, arm64, riscv) by ftrace or `perf script`. Read are the
 * address and, on x86, bit 1 of the error code (write). Addresses are virtual ones of the process: say with `--addresses`
 * where the guest's memory lies in it. Format: `address=%ps ip=%ps error_code=0x%lx` (arch/x86/include/asm/trace/exceptions.h).
 */
import { forEachLine } from '../../core/lines.ts'
import { option } from '../../core/spec-string.ts'
import { expectEventLine, hexField } from './event-line.ts'
import { defineImporter } from './importer.ts'

const WRITE = 2

export const pageFaultUser = defineImporter({
  name: 'page-fault-user',
  summary: 'perf script or ftrace, tracepoint exceptions:page_fault_user',
  source: 'Linux, include/trace/events/exceptions.h',
  has: 'times',
  options: { thread: option('text', '', 'only the thread of this id; all when empty') },
  detect: head => /\bpage_fault_user: address=/.test(head),
  read: async (source, sink, { thread }) => {
    await forEachLine(source, (text, line) => {
      if (!text.includes('page_fault_user')) return
      const where = `${source.name}: line ${line}`
      const event = expectEventLine(text, where)
      if (event.event !== 'page_fault_user' || (thread !== '' && event.thread !== thread)) return
      const address = hexField(event.body, /\baddress=(\S+)/, 'address=…', where)
      const code = hexField(event.body, /\berror_code=(\S+)/, 'error_code=…', where)
      sink.add({ block: null, address, timeNs: event.timeNs, write: (code & WRITE) !== 0, who: event.thread }, where)
    })
  },
})
