/**
 * Faults of a KVM guest: tracepoint `kvm:kvm_page_fault` by ftrace or `perf script`. With EPT or NPT the address is a
 * guest-physical one. Both variants (arch/x86/kvm/trace.h):
 *
 *   vcpu %u rip 0x%lx address 0x%016llx error_code 0x%llx      since Linux 6.2
 *   address %lx error_code %x                                  before
 *
 * Bit 1 of the error code is a write. The older variant names no vCPU: its threads are told apart.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { describe } from '../../core/fields.ts'
import { forEachLine } from '../../core/lines.ts'
import { expectEventLine, parseHex } from './event-line.ts'
import { defineImporter } from './importer.ts'

const WRITE = 2
const BODY = /^(?:vcpu (\d+) )?(?:rip \S+ )?address (\S+) error_code (\S+)\s*$/

export const kvmPageFault = defineImporter({
  name: 'kvm-page-fault',
  summary: 'perf script or ftrace, tracepoint kvm:kvm_page_fault, both variants',
  source: 'Linux, arch/x86/kvm/trace.h',
  has: 'times',
  options: {},
  detect: head => /\bkvm_page_fault: (vcpu \d+ rip \S+ )?address /.test(head),
  read: async (source, sink) => {
    await forEachLine(source, (text, line) => {
      if (!text.includes('kvm_page_fault')) return
      const where = `${source.name}: line ${line}`
      const event = expectEventLine(text, where)
      if (event.event !== 'kvm_page_fault') return
      const match = BODY.exec(event.body)
      if (match === null) {
        const expected = '[vcpu N rip …] address … error_code …'
        throw new LazyRestoreError('format', `${where}: found ${describe(event.body)}, expected ${expected}`)
      }
      const [, vcpu, address, code] = match
      sink.add(
        {
          block: null,
          address: parseHex(address, 'address', where),
          timeNs: event.timeNs,
          write: (parseErrorCode(code, where) & WRITE) !== 0,
          who: vcpu === undefined ? `thread ${event.thread}` : `vcpu ${vcpu}`,
        },
        where,
      )
    })
  },
})

/** 64 bits, of which only low ones matter here (some high ones are synthetic). */
function parseErrorCode(text: string, where: string): number {
  return parseHex(text.replace(/^0x/, '').slice(-8), 'error_code', where)
}
