/** The browser for tests of pages: Debian's chromium, driven by playwright-core, which has none of its own. */
import { existsSync } from 'node:fs'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Null: there is none. `CHROMIUM` names one elsewhere. */
export function findChromium(): string | null {
  return [process.env.CHROMIUM ?? '', ...PLACES].find(path => path !== '' && existsSync(path)) ?? null
}

export function missingChromium(): string | null {
  return findChromium() === null
    ? `found no browser at ${PLACES.join(', ')}, expected one, such as apt's chromium, or its path in CHROMIUM`
    : null
}
