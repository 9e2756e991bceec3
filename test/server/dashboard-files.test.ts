/** The dashboard's files as the server gives them: open, cached as their names allow, and within the security policy. */
import { describe, expect, it } from 'vitest'
import { useServer } from './support.ts'

describe.each([null, 'a-token-of-enough-characters'])('the files of the dashboard, token %s', token => {
  const server = useServer({ token })
  /** A body that nobody reads would keep its connection, and the server from stopping. */
  const get = async (path: string) => {
    const response = await server.fetch(path)
    return { status: response.status, headers: response.headers, text: await response.text() }
  }

  it('are there without a token, and nothing else is', async () => {
    const page = await get('/')
    expect(page.status).toBe(200)
    expect(page.headers.get('content-type')).toMatch(/^text\/html/)
    expect(page.headers.get('cache-control')).toBe('no-cache')
    expect((await get('/v1/experiments')).status).toBe(token === null ? 200 : 401)
    for (const path of ['/index.js', '/assets/', '/assets/..%2f..%2findex.js', '/%2e%2e/index.js', '/main.tsx']) {
      const { status } = await get(path)
      expect([path, [401, 404].includes(status)]).toEqual([path, true])
    }
  })

  it('come from here alone, without a script or a handler in the page', async () => {
    const page = await get('/')
    const policy = page.headers.get('content-security-policy')
    expect(policy).toContain("default-src 'self'")
    expect(policy).not.toMatch(/script-src|unsafe-eval/)
    const html = page.text
    expect(html).not.toMatch(/<script(?![^>]* src="\/assets\/)|\son\w+=|https?:\/\//)
    const assets = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => path)
    expect(assets.length).toBeGreaterThanOrEqual(3)
    for (const path of assets) {
      const { status, headers } = await get(path)
      expect([status, headers.get('cache-control')]).toEqual([200, 'public, max-age=31536000, immutable'])
      expect(headers.get('x-content-type-options')).toBe('nosniff')
    }
  })
})
