/** Builds a C program of bench/c once per content of its sources, in the temporary folder. */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SOURCES = join(import.meta.dirname, 'c')
/** No fused multiply-add and no reordering: the twin computes what JavaScript computes. */
const FLAGS = ['-std=c11', '-O2', '-ffp-contract=off', '-Wall', '-Wextra', '-Werror']

export function hasCompiler(): boolean {
  return spawnSync('cc', ['--version'], { stdio: 'ignore' }).status === 0
}

/** Compiles `bench/c/<name>.c` and returns the program's path. */
export function compileC(name: string): string {
  const hash = createHash('sha256').update(FLAGS.join(' '))
  for (const file of readdirSync(SOURCES).sort()) hash.update(readFileSync(join(SOURCES, file)))
  const folder = join(tmpdir(), 'lazyrestore-bench')
  const program = join(folder, `${name}-${hash.digest('hex').slice(0, 12)}`)
  if (existsSync(program)) return program
  mkdirSync(folder, { recursive: true })
  const unfinished = `${program}.${process.pid}`
  execFileSync('cc', [...FLAGS, '-o', unfinished, join(SOURCES, `${name}.c`), '-lm'], { stdio: 'inherit' })
  renameSync(unfinished, program)
  return program
}
