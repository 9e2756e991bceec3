/** The GNU assembler, which machine code that stands in the source is held against. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, type TestContext } from 'vitest'
import { assemble, type CodeLine } from '../../src/uffd/assembler.ts'
import { requireOrSkip } from '../support/availability.ts'

const missingAssembler = (): string | null => {
  const present = process.arch === 'x64' && ['as', 'objcopy'].every(tool => spawnSync(tool, ['--version']).status === 0)
  return present ? null : 'needs the GNU assembler for x86-64: apt-get install binutils'
}

/** Expects the bytes of the lines to be what the assembler makes of the instructions beside them. */
export function expectAssembled(context: TestContext, code: readonly CodeLine[]): void {
  requireOrSkip(context, missingAssembler())
  const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [source, object, binary] = ['code.s', 'code.o', 'code.bin'].map(name => join(folder, name))
  const text = code.map(([, assembly]) => assembly).join('\n')
  writeFileSync(source, `.intel_syntax noprefix\n${text}\n`)
  execFileSync('as', ['-o', object, source])
  execFileSync('objcopy', ['-O', 'binary', '-j', '.text', object, binary])
  expect(Buffer.from(assemble(code).bytes).toString('hex')).toBe(readFileSync(binary).toString('hex'))
}
