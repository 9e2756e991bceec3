/**
 * Before all tests: what they start as processes of their own, VMMs above all, becomes JavaScript once, over the code in dist.
 * A process that compiles itself takes three times as long to start, and there are a hundred.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'vite'
import type { TestProject } from 'vitest/node'

const ROOT = join(import.meta.dirname, '../..')
const SOURCES = join(ROOT, 'src/')

const ENTRIES = {
  vmm: 'test/uffd-handler/vmm/main.ts',
  'tiny-vmm': 'test/uffd/service/tiny-vmm.ts',
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the programs: `vmm.mjs`, `tiny-vmm.mjs`. */
    readonly children: string
  }
}

export default async function buildChildren({ provide }: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-children-'))
  await build({
    configFile: false,
    logLevel: 'warn',
    root: ROOT,
    plugins: [{ name: 'dist', enforce: 'pre', resolveId: { order: 'pre', handler: inDist } }],
    build: {
      ssr: true,
      outDir: folder,
      emptyOutDir: false,
      target: 'node20',
      rollupOptions: {
        input: Object.fromEntries(Object.entries(ENTRIES).map(([name, file]) => [name, join(ROOT, file)])),
        output: { entryFileNames: '[name].mjs' },
      },
    },
  })
  provide('children', folder)
  return () => rmSync(folder, { recursive: true })
}

/** Modules of src are those of dist, where their threads are too. */
function inDist(specifier: string, importer: string | undefined): { id: string; external: true } | null {
  if (importer === undefined || !specifier.startsWith('.')) return null
  const path = join(importer, '..', specifier)
  if (!path.startsWith(SOURCES)) return null
  const built = join(ROOT, 'dist', path.slice(SOURCES.length).replace(/\.ts$/, '.js'))
  return { id: pathToFileURL(built).href, external: true }
}
