/** The built package with what it needs at run time, copied to where every user may read it. */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..')
/** What a restore loads. Figures need more. */
const PACKAGES = ['commander', 'msgpackr', 'picocolors', 'pure-rand', 'simple-statistics']
const OPTIONAL_PACKAGES = ['koffi', '@koromix']
/** A package that is found and has nothing, so that Node does not look in the folders above. */
const EMPTY_PACKAGE = JSON.stringify({ name: 'koffi', main: './absent.js' })

/** Removed after the tests of the file. Returns its folder. */
export function installCopy({ optional }: { readonly optional: boolean }): string {
  const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-install-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  for (const name of optional ? [...PACKAGES, ...OPTIONAL_PACKAGES] : PACKAGES) {
    cpSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true })
  }
  if (!optional) {
    mkdirSync(join(folder, 'node_modules/koffi'))
    writeFileSync(join(folder, 'node_modules/koffi/package.json'), EMPTY_PACKAGE)
  }
  cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
  chmodSync(folder, 0o755)
  return folder
}
