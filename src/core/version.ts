/** The package's version, read from its manifest, which lies as far above src/core as above dist/core. */
import { readFileSync } from 'node:fs'

export const VERSION: string = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
