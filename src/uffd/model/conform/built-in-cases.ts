/** The cases that come with the package: docs/conform, one file a topic. They are documents first, so they lie there. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type ConformCase, parseCases } from './case-file.ts'

/** The same way from src and from dist. */
const FOLDER = fileURLToPath(new URL('../../../../docs/conform/', import.meta.url))

/** @throws LazyRestoreError `format` */
export function builtInCases(): ConformCase[] {
  const files = readdirSync(FOLDER).filter(name => name.endsWith('.tsv'))
  return files.sort().flatMap(name => parseCases(readFileSync(FOLDER + name, 'utf8'), name))
}
