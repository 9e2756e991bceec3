/**
 * A line of a kernel event, as ftrace and `perf script` print it:
 *
 *            python3-27753   [000] d....  2793.556370: page_fault_user: address=…          (ftrace: trace, trace_pipe)
 *            python3 27914 [001]  2795.985341: exceptions:page_fault_user: address=…        (perf script)
 *
 * A command may have spaces and colons; what follows it is found from the first `[cpu] … time: event: ` on.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { describe } from '../../core/fields.ts'

export interface EventLine {
  readonly thread: string
  readonly timeNs: number
  /** Without its group. */
  readonly event: string
  readonly body: string
}

const LINE = /[-\s](\d+)\s+\[\d+\]\s+(?:\S+\s+)?(\d+)\.(\d{1,9}):\s+(?:[\w-]+:)?(\w+):\s(.*?)\r?$/

/** @throws LazyRestoreError `format` for a line that is none */
export function expectEventLine(text: string, where: string): EventLine {
  const match = LINE.exec(text)
  if (match === null) {
    const expected = 'command thread [cpu] seconds.fraction: event: …'
    throw new LazyRestoreError('format', `${where}: found ${describe(text.trim())}, expected ${expected}`)
  }
  const [, thread, seconds, fraction, event, body] = match
  return { thread, timeNs: Number(seconds) * 1e9 + Number(fraction.padEnd(9, '0')), event, body }
}

/** The first group of `pattern` as a hexadecimal number, with or without 0x. @throws LazyRestoreError `format` */
export function hexField(text: string, pattern: RegExp, field: string, where: string): number {
  const match = pattern.exec(text)
  if (match === null) throw new LazyRestoreError('format', `${where}: found ${describe(text)}, expected ${field}`)
  return parseHex(match[1], field, where)
}

/**
 * With or without 0x. One beyond 2^53, such as an address of a kernel, is Infinity: it lies in no memory.
 * @throws LazyRestoreError `format` for what is no hexadecimal number
 */
export function parseHex(text: string, field: string, where: string): number {
  if (!/^(0x)?[0-9a-f]{1,64}$/i.test(text)) {
    throw new LazyRestoreError('format', `${where}: ${field}: found ${describe(text)}, expected a hexadecimal number`)
  }
  const value = Number(/^0x/i.test(text) ? text : `0x${text}`)
  return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY
}
