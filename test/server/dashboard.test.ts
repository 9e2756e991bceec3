/** The dashboard in a real browser, against a real server: what somebody does with it, from the first experiment on. */
import { readFileSync } from 'node:fs'
import type { ExperimentRecord, NewExperiment } from 'lazyrestore/client'
import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { overflow, picture, useBrowser } from './browser.ts'
import { collect, until, useServer } from './support.ts'

const SPEC: NewExperiment = {
  name: 'Small',
  snapshot: 'synthetic:64MiB,zero=60%,seed=3',
  workloads: ['working-set:share=10%,vcpus=4'],
  policies: ['eager', 'lazy', 'lazy-sweep', 'working-set', 'mmap'],
}

const mapCanvas = (page: Page, policy: string) => page.getByRole('img', { name: new RegExp(`^${policy} after`) })
const clock = (page: Page) => page.locator('output')

describe('from nothing to a result', () => {
  const server = useServer()
  const browser = useBrowser()

  it('starts an experiment from a preset, and leads to its result', async () => {
    const page = await browser.open(server.url)
    await page.getByText('No experiments yet.').waitFor()
    await picture(page, 'empty')
    await page.getByRole('link', { name: 'Start the first one' }).click()
    await page.getByRole('radio', { name: /Huge pages/ }).check()
    await page.getByLabel('Synthetic snapshot').fill('synthetic:64MiB,zero=60%')
    const command = page.locator('.commands code')
    expect(await command.innerText()).toContain('--host-page-size 2M')
    await page.getByRole('button', { name: 'lazy-sweep', exact: true }).click()
    await page.getByLabel('Policies: another one').fill('lazy-sweep:')
    await page.getByText('chunk=1048576 (bytes)').waitFor()
    await page.getByLabel('Policies: another one').fill('lazy-sweep:rate=100MiB')
    await page.keyboard.press('Enter')
    expect(await command.innerText()).toContain('--policies eager-multi,lazy,working-set,lazy-sweep:rate=100MiB')
    await page.getByText('8 restores').waitFor()
    await picture(page, 'form')
    await page.getByRole('button', { name: 'Start experiment' }).click()
    await page.getByRole('heading', { name: 'Huge pages?' }).waitFor()
    await page.locator('.badge.done').waitFor()
    await page.getByLabel('Host pages', { exact: true }).selectOption({ label: '2M' })
    await mapCanvas(page, 'lazy').waitFor()
    expect(await page.locator('.commands code').innerText()).toContain('--host-page-size 2M')
    const [experiment] = (await server.client().experiments.list()).items
    expect(experiment.spec).toMatchObject({
      layouts: ['4K', '2M'],
      storages: ['nvme'],
      workloads: ['working-set:share=5%,vcpus=2'],
    })
    expect(experiment.spec.policies).toEqual(['eager-multi', 'lazy', 'working-set', 'lazy-sweep:rate=100MiB'])
  })

  it('says why an experiment is not accepted, and keeps what was filled in', async () => {
    const page = await browser.open(`${server.url}/#/new`, { bearsFailures: true })
    await page.getByLabel('Synthetic snapshot').fill('synthetic:64TiB')
    await page.getByRole('button', { name: 'Start experiment' }).click()
    expect(await page.getByRole('alert').innerText()).toMatch(/expected at most \d+ \(limit\)/)
    expect(await page.getByLabel('Synthetic snapshot').inputValue()).toBe('synthetic:64TiB')
    await page.getByRole('button', { name: 'working-set:share=5%,vcpus=2' }).click()
    await page.getByText('Choose a workload.').waitFor()
    expect(await page.getByRole('button', { name: 'Start experiment' }).isDisabled()).toBe(true)
  })
})

describe('a result', () => {
  const server = useServer()
  const browser = useBrowser()
  let small: ExperimentRecord
  let sata: ExperimentRecord
  const addressOf = ({ id }: ExperimentRecord, query = ''): string => `${server.url}/#/experiments/${id}${query}`

  beforeAll(async () => {
    const client = server.client()
    const run = async (spec: NewExperiment): Promise<ExperimentRecord> => {
      const { id } = await client.experiments.create(spec)
      await collect(client.experiments.events(id))
      return client.experiments.get(id)
    }
    small = await run(SPEC)
    sata = await run({ ...SPEC, name: 'Small on SATA', storages: ['sata-ssd'] })
  })

  it('shows times, latencies, residency, stalls and figures, as the records have them', async () => {
    const page = await browser.open(addressOf(small))
    await page.getByRole('heading', { name: 'Figures' }).waitFor()
    const row = page.getByRole('row', { name: /^working-set/ })
    const { result } = await server.client().experiments.cell(small.id, 3)
    expect(await row.innerText()).toContain(`${(result!.workDoneNs / 1e6).toFixed(1)} ms`)
    expect(await page.locator('.plot canvas').count()).toBe(2)
    expect(await page.locator('.stall-columns').count()).toBe(5)
    expect(await page.locator('.stall-columns').first().locator('rect').count()).toBe(4)
    await page.getByRole('button', { name: 'work done' }).click()
    expect(await page.locator('tbody tr').first().innerText()).toMatch(/^working-set/)
    await page.getByRole('button', { name: 'mmap', exact: true }).click()
    await until(async () => (await page.locator('tbody tr').count()) === 4, 'table without mmap')
    await page.getByRole('radio', { name: 'log' }).check({ force: true })
    expect(page.url()).toContain('hidden=4')
    expect(page.url()).toContain('scale=log')
    await page.reload()
    await page.getByRole('heading', { name: 'Figures' }).waitFor()
    expect(await page.locator('tbody tr').count()).toBe(4)
    expect(await page.getByRole('radio', { name: 'log' }).isChecked()).toBe(true)
  })

  it('has a memory map that moves by slider, keys and play, for two policies, at an address that brings it back', async () => {
    const page = await browser.open(addressOf(small, '?a=1&b=2&t=0'))
    await mapCanvas(page, 'lazy-sweep').waitFor()
    const label = async (policy: string) => (await mapCanvas(page, policy).getAttribute('aria-label'))!
    expect(await label('lazy')).toContain('by fault 0, by prefetch 0, wasted 0 host pages')
    const slider = page.getByRole('slider', { name: 'Time' })
    await slider.focus()
    await slider.press('End')
    const map = await server.client().experiments.map(small.id, 2, { cells: 65_536 })
    const wasted = map.wasted.reduce((sum, pages) => sum + pages, 0)
    expect(await label('lazy-sweep')).toContain(`wasted ${wasted.toLocaleString('en-US')} host pages`)
    expect(await label('lazy-sweep')).toContain('zero 0, data 0,')
    const inAddress = /[?&]t=(\d+)/
    await until(() => inAddress.test(page.url()) && !page.url().endsWith('t=0'), 'time in the address')
    const [, endNs] = inAddress.exec(page.url())!
    await slider.press('ArrowLeft')
    await until(() => !page.url().includes(`t=${endNs}`), 'earlier time in the address')
    const held = await clock(page).innerText()
    await page.reload()
    await mapCanvas(page, 'lazy-sweep').waitFor()
    expect(await clock(page).innerText()).toBe(held)
    await page.keyboard.press(',')
    expect(await clock(page).innerText()).not.toBe(held)
    await page.getByLabel('Policy of the second map').selectOption('working-set')
    await mapCanvas(page, 'working-set').waitFor()
    expect(page.url()).toContain('b=3')
    await page.getByRole('slider', { name: 'Time' }).press('Home')
    await page.locator('h1').click()
    await page.keyboard.press(' ')
    await page.getByRole('button', { name: 'Pause' }).waitFor()
    await until(async () => !(await label('working-set')).includes('by prefetch 0,'), 'prefetched page while it plays')
    await page.keyboard.press(' ')
    await page.getByRole('button', { name: 'Play' }).waitFor()
    await mapCanvas(page, 'working-set').hover({ position: { x: 42, y: 42 } })
    await page.getByText(/ \+ 0x[0-9a-f]+ · pages? \d/).waitFor()
    await page.getByRole('button', { name: 'Zoom in' }).click()
    await page.getByText('16 MiB from 24 MiB on').waitFor()
    expect(page.url()).toContain('from=6144&count=4096')
    await page.getByRole('button', { name: 'Lower addresses' }).click()
    await page.getByText('16 MiB from 16 MiB on').waitFor()
    await until(async () => (await page.locator('[aria-busy=true]').count()) === 0, 'both maps')
    await mapCanvas(page, 'working-set').click({ position: { x: 1, y: 1 } })
    await page.getByText('2 MiB from 15.0 MiB on').waitFor()
    await picture(page, 'map-closer')
    for (const name of ['Zoom out', 'Zoom out', 'Zoom out']) await page.getByRole('button', { name }).click()
    await page.getByText('all memory').waitFor()
  })

  it('is downloaded in each format, as the client gets it', async () => {
    const page = await browser.open(addressOf(small))
    for (const format of ['json', 'csv', 'parquet', 'hdr', 'perfetto'] as const) {
      const coming = page.waitForEvent('download')
      await page.locator(`.downloads a[href*="format=${format}"]`).click()
      const download = await coming
      expect(download.suggestedFilename()).toMatch(new RegExp(`^${small.id}\\.[a-z-]+$`))
      const bytes = readFileSync(await download.path())
      expect(bytes.equals(await server.client().experiments.export(small.id, format))).toBe(true)
    }
  })

  it('is compared with another one that was chosen in the list', async () => {
    const page = await browser.open(server.url)
    await page.getByRole('checkbox', { name: 'Choose Small for a comparison', exact: true }).check()
    expect(await page.getByRole('button', { name: /^Compare/ }).isDisabled()).toBe(true)
    await page.getByRole('checkbox', { name: 'Choose Small on SATA for a comparison' }).check()
    await picture(page, 'list')
    await page.getByRole('button', { name: 'Compare (2 of 2)' }).click()
    await page.getByRole('heading', { name: '5 pairs' }).waitFor()
    const { pairs } = await server.client().experiments.compare(small.id, sata.id)
    const factor = pairs.find(({ label }) => label === 'lazy')!.ratio.workDoneNs!
    expect(await page.getByRole('row', { name: /^lazy / }).innerText()).toContain(`${factor.toFixed(2)}×`)
    await page.getByLabel('Figure').selectOption('read')
    expect(await page.getByRole('row', { name: /^lazy / }).innerText()).toContain('1.00×')
    await picture(page, 'comparison')
  })

  it('is dark or light as the system says, or as was chosen', async () => {
    const ground = (page: Page): Promise<string> =>
      page.evaluate('getComputedStyle(document.documentElement).backgroundColor')
    const page = await browser.open(addressOf(small), { colorScheme: 'dark' })
    await mapCanvas(page, 'lazy').waitFor()
    const dark = await ground(page)
    await picture(page, 'result-dark')
    await page.getByRole('button', { name: 'Theme: system' }).click()
    await page.getByRole('button', { name: 'Theme: light' }).waitFor()
    const light = await ground(page)
    expect(light).not.toBe(dark)
    await page.reload()
    await mapCanvas(page, 'lazy').waitFor()
    expect(await ground(page)).toBe(light)
    await picture(page, 'result-light')
    await page.getByRole('button', { name: 'Theme: light' }).click()
    expect(await ground(page)).toBe(dark)
  })

  it('can be reached and left by keyboard alone', async () => {
    const page = await browser.open(server.url)
    await page.getByText('2 experiments').waitFor()
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to content')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('main')
    const focused = (what: string): Promise<string> => page.evaluate(`document.activeElement.${what}`)
    for (let tab = 0; tab < 12 && (await focused('textContent')) !== 'Small'; tab++) await page.keyboard.press('Tab')
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Small', exact: true }).waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor()
    await page.keyboard.press('Escape')
    expect(await page.getByRole('dialog').count()).toBe(0)
    await page.keyboard.press('n')
    await page.getByRole('heading', { name: 'New experiment' }).waitFor()
    await page.getByLabel('Name').fill('l n ?')
    // Still the same place: what is typed into a field is no command.
    expect(page.url()).toMatch(/#\/new(\?|$)/)
    await page.getByLabel('Name').blur()
    await page.keyboard.press('l')
    await page.getByRole('heading', { name: 'Experiments' }).waitFor()
  })

  it('fits a narrow screen, as every page does', async () => {
    const page = await browser.open(server.url, {
      viewport: { width: 390, height: 844 },
      hasTouch: true,
      isMobile: true,
    })
    for (const [name, hash, sign] of [
      ['list', '#/', 'Small on SATA'],
      ['form', '#/new', 'Start experiment'],
      ['comparison', `#/compare?a=${small.id}&b=${sata.id}`, '5 pairs'],
      ['result', `#/experiments/${small.id}`, 'Figures'],
    ]) {
      await page.goto(`${server.url}/${hash}`)
      await page.getByText(sign, { exact: true }).first().waitFor()
      if (name === 'result') await mapCanvas(page, 'working-set').waitFor()
      expect([name, await overflow(page)]).toEqual([name, 0])
      await picture(page, `narrow-${name}`)
    }
  })

  it('is nothing for an unknown id or address, in words', async () => {
    const page = await browser.open(`${server.url}/#/experiments/exp_0000000000`, { bearsFailures: true })
    expect(await page.getByRole('alert').innerText()).toContain('found none of this id (not-found)')
    await page.goto(`${server.url}/#/nowhere`)
    await page.getByText('There is no such page.').waitFor()
  })
})
