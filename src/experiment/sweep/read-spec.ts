/** Reads the spec of a sweep from a file: YAML, of which JSON is a part. */
import { LazyRestoreError } from '../../core/error.ts'
import { readTextFile } from '../../core/text-file.ts'
import { MIB } from '../../core/units.ts'
import { checkSweepSpec, type SweepSpec } from './spec.ts'

const MAX_BYTES = 4 * MIB

/** @throws LazyRestoreError `io`, `limit`, or `format` with line and column, or with the field, that is wrong */
export async function readSweepSpec(file: string): Promise<SweepSpec> {
  return parseSweepSpec(readTextFile(file, 'the spec of a sweep', MAX_BYTES), file)
}

/** @param name of the file, for messages */
export async function parseSweepSpec(text: string, name: string): Promise<SweepSpec> {
  const { LineCounter, parseDocument } = await import('yaml')
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) {
    const { line, col } = lineCounter.linePos(error.pos[0])
    throw new LazyRestoreError('format', `${name}: line ${line}, column ${col}: ${error.message}`)
  }
  let value: unknown
  try {
    value = document.toJS()
  } catch (cause) {
    throw new LazyRestoreError('format', `${name}: ${(cause as Error).message}`, { cause })
  }
  return checkSweepSpec(value, name)
}
