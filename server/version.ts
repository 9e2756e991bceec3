/** The package's version, read from its manifest: above server/ in the sources, above dist/server/ in the build. */
import { readFileSync } from 'node:fs'

const MANIFEST = new URL(import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json', import.meta.url)

export const VERSION: string = JSON.parse(readFileSync(MANIFEST, 'utf8')).version
