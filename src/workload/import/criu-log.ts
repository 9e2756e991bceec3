/**
 * The log of CRIU's lazy-pages daemon (`criu lazy-pages -vvv`, criu/uffd.c): `(00.139986) uffd: 4-12: #PF at 0x7ffc5944e000`.
 * The two numbers are the task and its userfaultfd. Addresses are virtual ones of the task, so that only one task's faults can
 * be one trace: `task=4` chooses it where the log has several.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { describe } from '../../core/fields.ts'
import { forEachLine } from '../../core/lines.ts'
import { option } from '../../core/spec-string.ts'
import { parseHex } from './event-line.ts'
import { defineImporter } from './importer.ts'

const LINE = /^\((\d+)\.(\d{6})\)\s+(?:\d+:\s*)?uffd: (\d+)-\d+: #PF at (\S+)\s*$/

export const criuLog = defineImporter({
  name: 'criu-log',
  summary: "the log of CRIU's lazy-pages daemon, lines of #PF",
  source: 'CRIU, criu/uffd.c',
  has: 'times',
  options: { task: option('text', '', 'only the faults of this task; the only one there is when empty') },
  detect: head => /\buffd: \d+-\d+: #PF at /.test(head),
  read: async (source, sink, { task }) => {
    let only = task
    await forEachLine(source, (text, line) => {
      if (!text.includes('#PF at')) return
      const where = `${source.name}: line ${line}`
      const match = LINE.exec(text)
      if (match === null) {
        const expected = '(seconds.micros) uffd: task-fd: #PF at 0x…'
        throw new LazyRestoreError('format', `${where}: found ${describe(text.trim())}, expected ${expected}`)
      }
      const [, seconds, micros, found, address] = match
      if (only === '') only = found
      if (found !== only) {
        if (task !== '') return
        throw new LazyRestoreError(
          'usage',
          `${where}: found task ${found} beside ${only}, expected option task to choose one`,
        )
      }
      const timeNs = Number(seconds) * 1e9 + Number(micros) * 1e3
      sink.add({ block: null, address: parseHex(address, 'address', where), timeNs, write: false, who: found }, where)
    })
  },
})
