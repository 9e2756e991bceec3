/** The dashboard while things happen: progress as it comes, long lists, cells that fail, tokens. */
import type { NewExperiment } from 'lazyrestore/client'
import { beforeAll, describe, expect, it } from 'vitest'
import { picture, useBrowser } from './browser.ts'
import { collect, until, useServer } from './support.ts'

const TINY: NewExperiment = { snapshot: 'synthetic:1MiB', workloads: ['uniform:accesses=10'], policies: ['lazy'] }

describe('an experiment that goes on', () => {
  const server = useServer({ cellThreads: 1 })
  const browser = useBrowser()

  it('is followed, cancelled, resumed and deleted', async () => {
    const client = server.client()
    const { id } = await client.experiments.create({
      ...TINY,
      name: 'Long',
      snapshot: 'synthetic:64MiB',
      workloads: ['uniform:accesses=30000'],
      policies: ['lazy', 'lazy-sweep'],
      repetitions: 100,
    })
    const page = await browser.open(`${server.url}/#/experiments/${id}`)
    const progress = page.getByRole('progressbar')
    const ended = async (): Promise<number> => Number(await progress.getAttribute('aria-valuenow'))
    await progress.waitFor()
    const before = await ended()
    await until(async () => (await ended()) > before, 'progress without asking')
    await page.getByRole('heading', { name: 'Figures' }).waitFor()
    await picture(page, 'running')
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByText('cancelled', { exact: true }).waitFor()
    const held = await ended()
    expect(held).toBe((await client.experiments.get(id)).done)
    await page.getByRole('button', { name: 'Resume', exact: true }).click()
    await until(async () => (await ended()) > held, 'progress after it was resumed')
    await page.getByRole('button', { name: 'Delete' }).click()
    const dialog = page.getByRole('dialog', { name: 'Delete this experiment?' })
    await dialog.getByRole('button', { name: 'Delete', exact: true }).click()
    await page.getByText('No experiments yet.').waitFor()
    await expect(client.experiments.get(id)).rejects.toMatchObject({ status: 404 })
  })

  it('shows which cells have failed, and why', async () => {
    const client = server.client()
    const { id } = await client.experiments.create({ ...TINY, workloads: ['working-set:pages=99999999'] })
    await collect(client.experiments.events(id))
    const page = await browser.open(`${server.url}/#/experiments/${id}`)
    await page.getByText(/found 99999999, expected at most/).waitFor()
    await page.getByText('This slice has no results.').waitFor()
    await picture(page, 'failed')
    await client.experiments.delete(id)
  })
})

describe('a long list', () => {
  const server = useServer()
  const browser = useBrowser()

  beforeAll(async () => {
    const client = server.client()
    for (let i = 0; i < 60; i++) await client.experiments.create({ ...TINY, name: `number-${i}` })
  })

  it('comes page by page, and can be filtered', async () => {
    const page = await browser.open(server.url)
    await page.getByText('50 experiments loaded').waitFor()
    expect(await page.getByRole('listitem').first().innerText()).toMatch(/^number-59/)
    await page.getByRole('button', { name: 'Load more' }).click()
    await page.getByText('60 experiments', { exact: true }).waitFor()
    await picture(page, 'long-list')
    await page.getByRole('searchbox').fill('number-1')
    await page.getByText('11 of 60').waitFor()
    await page.getByRole('searchbox').fill('no such')
    await page.getByText('None of the 60 loaded').waitFor()
  })
})

describe('a server with a token', () => {
  const token = 'correct-horse-battery'
  const server = useServer({ token })
  const browser = useBrowser()

  it('is asked for it, and downloads with it', async () => {
    const client = server.client({ token })
    const { id } = await client.experiments.create(TINY)
    await collect(client.experiments.events(id))
    const page = await browser.open(`${server.url}/#/experiments/${id}`, { bearsFailures: true })
    await page.getByLabel('Token', { exact: true }).fill('wrong-horse-battery')
    await page.getByRole('button', { name: 'Use it' }).click()
    await page.getByText('did not accept that token').waitFor()
    await page.getByLabel('Token', { exact: true }).fill(token)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Downloads' }).waitFor()
    const coming = page.waitForEvent('download')
    await page.getByRole('button', { name: 'CSV' }).click()
    expect((await coming).suggestedFilename()).toBe(`${id}.csv`)
    await page.reload()
    await page.getByRole('button', { name: 'Forget token' }).click()
    await page.getByLabel('Token', { exact: true }).waitFor()
  })
})
