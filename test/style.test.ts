/** Style is a test: import directions, file length, dependency versions, named exports, dead files. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const MAX_LINES = 350

/** A folder may import from itself and from folders on lower levels; folders on one level do not know each other. */
const LEVELS: readonly (readonly string[])[] = [
  ['core'],
  ['snapshot'],
  ['destination'],
  ['workload', 'resolver', 'storage'],
  ['policy', 'working-set'],
  ['engine'],
  ['sim', 'uffd', 'qemu'],
  ['replay', 'burst'],
  ['experiment', 'calibrate'],
  ['report'],
  ['cli'],
]
/** The same of server/web, its folders and its own files. */
const PAGE_LEVELS: readonly (readonly string[])[] = [
  ['format.ts', 'router.ts', 'slices.ts'],
  ['cli-command.ts'],
  ['ui'],
  ['figures'],
  ['list', 'form', 'map', 'compare'],
  ['result'],
  ['app.tsx'],
  ['main.tsx'],
]
/** The only files that know the whole. */
const TOP_FILES = ['index.ts']

interface SourceFile {
  readonly path: string
  readonly text: string
  /** Files that it imports by a relative path. */
  readonly imports: readonly string[]
  /** What its statements import, as written; those of which it takes types only are left out. */
  readonly runtime: readonly string[]
}

function sourceFiles(folder: string): SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map(entry => join(entry.parentPath, entry.name))
    .filter(path => !path.includes('/node_modules/'))
    .map(path => {
      const text = readFileSync(path, 'utf8')
      const imports = [...text.matchAll(/(?:from|import\(?)\s*'(\.[^']+)'/g)].map(([, target]) =>
        resolve(dirname(path), target),
      )
      const statements = [...text.matchAll(/^(?:import|export) (type )?[^']*?from '([^']+)'/gm)]
      const runtime = statements.filter(([, type]) => type === undefined).map(([, , target]) => target)
      return { path, text, imports, runtime }
    })
}

const level = (folder: string): number => LEVELS.findIndex(folders => folders.includes(folder))
const folderOf = (path: string): string => relative(join(ROOT, 'src'), path).split('/')[0]
const show = (path: string): string => relative(ROOT, path)

describe('style', () => {
  const src = sourceFiles('src')
  const server = sourceFiles('server')
  const shipped = [...src, ...server]
  const all = [...shipped, ...sourceFiles('test'), ...sourceFiles('bench')]

  it('finds the sources', () => {
    expect(src.length).toBeGreaterThan(30)
  })

  it('every folder of src has a level', () => {
    const folders = new Set(src.map(({ path }) => folderOf(path)).filter(folder => !TOP_FILES.includes(folder)))
    expect([...folders].filter(folder => level(folder) < 0)).toEqual([])
  })

  it('imports go from higher to lower levels only', () => {
    const wrong: string[] = []
    for (const { path, imports } of src) {
      if (TOP_FILES.includes(folderOf(path))) continue
      for (const target of imports) {
        const from = folderOf(path)
        const to = folderOf(target)
        if (from !== to && !(level(to) < level(from))) wrong.push(`${show(path)} -> ${show(target)}`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('no source imports a test or a bench', () => {
    const wrong = src.flatMap(({ path, imports }) =>
      imports.filter(target => !show(target).startsWith('src/')).map(() => show(path)),
    )
    expect(wrong).toEqual([])
  })

  it('the server knows the library by its name only, and nobody but tests and benches knows the files of the server', () => {
    const wrong = server.flatMap(({ path, imports }) =>
      imports.filter(target => !show(target).startsWith('server/')).map(target => `${show(path)} -> ${show(target)}`),
    )
    const deep = shipped.flatMap(({ path, text }) =>
      [...text.matchAll(/'(lazyrestore\/[^']+)'/g)]
        .filter(([, name]) => !['lazyrestore/client', 'lazyrestore/server', 'lazyrestore/sweeps'].includes(name))
        .map(([, name]) => `${show(path)} -> ${name}`),
    )
    expect([...wrong, ...deep]).toEqual([])
  })

  it('the library of schemas, which takes long to load, is loaded by routes only', () => {
    const light = ['figures.ts', 'operations.ts']
    const wrong = server
      .filter(({ path }) => !/^server\/(schemas|routes|http)\/|^server\/app\.ts$/.test(show(path)))
      .flatMap(({ path, runtime }) =>
        runtime
          .filter(name => name === 'typebox' || (/\/schemas\//.test(name) && !light.includes(name.split('/').at(-1)!)))
          .map(name => `${show(path)} -> ${name}`),
      )
    expect(wrong).toEqual([])
  })

  it('the client runs in a browser: of Node, the server and the library it takes types only', () => {
    const wrong = server
      .filter(({ path }) => show(path).startsWith('server/client/'))
      .flatMap(({ path, runtime }) =>
        runtime.filter(name => name !== 'msgpackr' && !name.startsWith('./')).map(name => `${show(path)} -> ${name}`),
      )
    expect(wrong).toEqual([])
  })

  it('the page knows the server by its client only, and its own folders one way', () => {
    const web = server.filter(({ path }) => show(path).startsWith('server/web/'))
    const foreign = web.flatMap(({ path, text, imports }) => [
      ...[...text.matchAll(/from '([^.'][^']*)'/g)]
        .filter(([, name]) => !['lazyrestore/client', 'preact', 'preact/hooks', 'uplot'].includes(name))
        .map(([, name]) => `${show(path)} -> ${name}`),
      ...imports
        .filter(target => !show(target).startsWith('server/web/'))
        .map(target => `${show(path)} -> ${show(target)}`),
    ])
    const part = (path: string): string => show(path).split('/')[2]
    const place = (path: string): number => PAGE_LEVELS.findIndex(parts => parts.includes(part(path)))
    const upwards = web.flatMap(({ path, imports }) =>
      imports
        .filter(target => part(target) !== part(path) && place(target) >= place(path))
        .map(target => `${show(path)} -> ${show(target)}`),
    )
    expect([...foreign, ...upwards]).toEqual([])
    expect(web.filter(({ path }) => place(path) < 0).map(({ path }) => show(path))).toEqual([])
  })

  it(`no file is longer than ${MAX_LINES} lines`, () => {
    const long = all.filter(({ text }) => text.split('\n').length > MAX_LINES + 1).map(({ path }) => show(path))
    expect(long).toEqual([])
  })

  it('every source file starts with a comment that says what it is', () => {
    const bare = shipped.filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text)).map(({ path }) => show(path))
    expect(bare).toEqual([])
  })

  it('exports are named, and nothing is re-exported wholesale', () => {
    const wrong = shipped.filter(({ text }) => /^export (default|\*)/m.test(text)).map(({ path }) => show(path))
    expect(wrong).toEqual([])
  })

  it('no enum and no namespace', () => {
    const wrong = shipped
      .filter(({ text }) => /^\s*(export )?(const )?(enum|namespace) /m.test(text))
      .map(({ path }) => show(path))
    expect(wrong).toEqual([])
  })

  it('every source file is used', () => {
    const used = new Set(all.flatMap(({ imports }) => imports))
    const entries = [
      'src/index.ts',
      'src/cli/main.ts',
      'server/index.ts',
      'server/client/index.ts',
      'server/jobs/process.ts',
      'server/sweeps/index.ts',
      'server/sessions/worker.ts',
      'server/web/main.tsx',
    ]
    const dead = shipped.map(({ path }) => path).filter(path => !used.has(path) && !entries.includes(show(path)))
    expect(dead.map(show)).toEqual([])
  })

  it('dependency versions are exact', () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    const versions = Object.entries({
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...manifest.optionalDependencies,
    })
    expect(versions.length).toBeGreaterThan(5)
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version as string))).toEqual([])
  })

  it('the lock file names no address', () => {
    expect(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).not.toMatch(/"resolved"/)
  })
})
