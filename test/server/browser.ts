/** Pages in a headless browser for the tests of a file: what a page complains about is kept, and pictures go to artifacts/. */
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { requireForEach } from '../support/availability.ts'
import { findChromium, missingChromium } from '../support/chromium.ts'

const PICTURES = fileURLToPath(new URL('../../artifacts/dashboard/', import.meta.url))
/** How long a page may take for anything. */
const LIMIT_MS = 20_000
/** What the browser itself says of an answer of 4xx. */
const FAILED_REQUEST = /^Failed to load resource/

export interface TestBrowser {
  /** A page of its own, with storage of its own; closed after the test. */
  open(url: string, options?: OpenOptions): Promise<Page>
}

export interface OpenOptions extends BrowserContextOptions {
  /** Requests may fail: that is what the test is about. */
  readonly bearsFailures?: boolean
}

/** Each test fails when a page of it has logged an error, or asked for anything from elsewhere. */
export function useBrowser(): TestBrowser {
  let browser: Browser | undefined
  const complaints: string[] = []
  const closers: (() => Promise<void>)[] = []
  requireForEach(missingChromium)
  beforeAll(async () => {
    const executablePath = findChromium()
    if (executablePath === null) return
    // In a container the user is root, for whom its sandbox does not work; it sees nothing but our own page.
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  })
  afterEach(async () => {
    for (const close of closers.splice(0)) await close()
    expect(complaints.splice(0)).toEqual([])
  })
  afterAll(() => browser?.close())

  async function open(url: string, { bearsFailures = false, ...options }: OpenOptions = {}): Promise<Page> {
    const context = await browser!.newContext({ viewport: { width: 1280, height: 900 }, ...options })
    closers.push(() => context.close())
    context.setDefaultTimeout(LIMIT_MS)
    const page = await context.newPage()
    page.on('pageerror', error => complaints.push(error.message))
    page.on('console', message => {
      if (!['error', 'warning'].includes(message.type())) return
      if (!(bearsFailures && FAILED_REQUEST.test(message.text()))) complaints.push(message.text())
    })
    const { origin } = new URL(url)
    page.on('request', request => {
      if (!/^(data|blob):/.test(request.url()) && new URL(request.url()).origin !== origin)
        complaints.push(request.url())
    })
    await page.goto(url)
    return page
  }
  return { open }
}

/** All of the page, from top to bottom. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(PICTURES, { recursive: true })
  await page.screenshot({ path: `${PICTURES}${name}.png`, fullPage: true })
}

/** How far the page can be scrolled sideways, px. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
}
