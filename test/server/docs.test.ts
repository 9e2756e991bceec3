/** The document at /docs/json against what the server does: every operation, what it takes and what it answers. */
import { describe, expect, it } from 'vitest'
import { useServer } from './support.ts'

type Content = Readonly<Record<string, { readonly schema: unknown }>>
interface Operation {
  readonly summary?: string
  readonly parameters?: readonly { readonly in: string; readonly name: string }[]
  readonly requestBody?: { readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>
}

const JSON_TYPE = 'application/json'
const MSGPACK = 'application/msgpack'

describe('the OpenAPI document', () => {
  const server = useServer()
  const operations = async (): Promise<(readonly [name: string, Operation])[]> => {
    const document = (await (await server.fetch('/docs/json')).json()) as {
      readonly openapi: string
      readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
    }
    expect(document.openapi).toMatch(/^3\.1\./)
    return Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [`${method} ${path}`, operation] as const),
    )
  }

  it('says of every operation what it is, what it answers, and what its errors look like', async () => {
    const all = await operations()
    expect(all.length).toBeGreaterThan(30)
    for (const [name, { summary, responses }] of all) {
      expect(summary, name).toBeTruthy()
      const [[status, answer]] = Object.entries(responses).filter(([code]) => code.startsWith('2'))
      if (status !== '204') expect(Object.keys(answer.content ?? {}), name).not.toEqual([])
      for (const code of ['4XX', '5XX']) {
        expect(responses[code]?.content?.[JSON_TYPE]?.schema, `${name} ${code}`).toMatchObject({
          required: ['code', 'message', 'details'],
        })
      }
    }
  })

  it('names both encodings wherever there are two, and the type of what is no JSON', async () => {
    for (const [name, { requestBody, responses }] of await operations()) {
      const contents = [requestBody?.content, ...Object.values(responses).map(({ content }) => content)]
      for (const content of contents) {
        if (content !== undefined && JSON_TYPE in content && !name.endsWith('/export')) {
          expect(Object.keys(content), name).toContain(MSGPACK)
        }
      }
    }
    const known = new Map(await operations())
    const types = (name: string) => Object.keys(known.get(name)!.responses[200].content!)
    expect(types('get /metrics')).toEqual(['text/plain'])
    expect(types('get /v1/experiments/{id}/events')).toEqual(['text/event-stream'])
    expect(types('get /v1/experiments/{id}/export')).toContain('application/vnd.apache.parquet')
    expect(Object.keys(known.get('post /v1/traces')!.requestBody!.content)).toContain('application/octet-stream')
  })

  it('names the key that makes a POST safe to repeat', async () => {
    for (const [name, { parameters = [] }] of await operations()) {
      const names = parameters.filter(each => each.in === 'header').map(each => each.name)
      expect(names, name).toEqual(name.startsWith('post ') ? ['idempotency-key'] : [])
    }
  })
})
