/** Reads the spec of a sweep from a file: YAML, of which JSON is a part. */
import { readFile, stat } from 'node:fs/promises'
import { LazyRestoreError } from '../../core/error.ts'
import { formatBytes, MIB } from '../../core/units.ts'
import { checkSweepSpec, type SweepSpec } from './spec.ts'

const MAX_BYTES = 4 * MIB

/** @throws LazyRestoreError `io`, or `format` with line and column, or with the field, that is wrong */
export async function readSweepSpec(file: string): Promise<SweepSpec> {
  let text: string
  try {
    const { size } = await stat(file)
    if (size > MAX_BYTES) {
      throw new LazyRestoreError('limit', `${file}: found ${size} bytes, expected at most ${formatBytes(MAX_BYTES)}`)
    }
    text = await readFile(file, 'utf8')
  } catch (cause) {
    if (cause instanceof LazyRestoreError) throw cause
    throw new LazyRestoreError('io', `${file}: ${(cause as Error).message}`, { cause })
  }
  return parseSweepSpec(text, file)
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
