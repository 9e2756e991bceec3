/**
 * `perf trace -F all`: a line for each fault of the traced processes (tools/perf/builtin-trace.c, trace__pgfault):
 *
 *   1416.547 ( 0.000 ms): python/20235 majfault [CRYPTO_push_info_+0x0] => /lib/libcrypto.so.1.0.0@0x61be0 (x.)
 *      0.054 ( 0.000 ms): python3/27828 minfault [elf_load+0x28a] => 0x7fd2f7ca8110 (?k)
 *   1079.186 ( 0.000 ms): python3/27828 minfault [PyBytes_Join+0x1e] => //anon@0x7f3308d7d07b (d.)
 *
 * Read are the time (ms), the thread and the target. A target in a file is an offset in it, so that with `file=PATH` the faults
 * on a mapped memory file are placed without more; otherwise the faults on anonymous memory are read, by their virtual address.
 * Whether one was a write is not said; lines of system calls are passed over.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { describe } from '../../core/fields.ts'
import { forEachLine } from '../../core/lines.ts'
import { option } from '../../core/spec-string.ts'
import { parseHex } from './event-line.ts'
import { defineImporter } from './importer.ts'

const LINE = /^\s*(\d+)\.(\d{1,9}) \(.*?\): .*\/(\d+) (?:maj|min)fault \[.*\] => (?:(.*)@)?(0x[0-9a-f]+) \(..\)\s*$/i

export const perfTrace = defineImporter({
  name: 'perf-trace',
  summary: 'perf trace -F all',
  source: 'Linux, tools/perf/builtin-trace.c',
  has: 'times',
  options: {
    file: option('text', '', 'the mapped file whose faults are read, by their offset; anonymous memory when empty'),
    thread: option('text', '', 'only the thread of this id; all when empty'),
  },
  detect: head => /\((?: *\d+\.\d+ ms)?\): \S.*\/\d+ (maj|min)fault \[/.test(head),
  read: async (source, sink, { file, thread }) => {
    await forEachLine(source, (text, line) => {
      if (!/ (maj|min)fault \[/.test(text)) return
      const where = `${source.name}: line ${line}`
      const match = LINE.exec(text)
      if (match === null) {
        const expected = 'ms ( … ms): command/thread majfault|minfault [place] => target (..)'
        throw new LazyRestoreError('format', `${where}: found ${describe(text.trim())}, expected ${expected}`)
      }
      const [, ms, fraction, tid, target = '', address] = match
      const anonymous = target === '' || target === '//anon' || target === '[heap]' || target === '[stack]'
      if (file === '' ? !anonymous : target !== file) return
      if (thread !== '' && tid !== thread) return
      const timeNs = Number(ms) * 1e6 + Number(fraction.padEnd(6, '0').slice(0, 6))
      sink.add({ block: null, address: parseHex(address, 'target', where), timeNs, write: false, who: tid }, where)
    })
  },
})
