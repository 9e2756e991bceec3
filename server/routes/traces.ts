/** /v1/traces */
import type { Readable } from 'node:stream'
import type { App } from '../app.ts'
import { HttpError } from '../http/errors.ts'
import { IdParams, PageQuery, pageOf } from '../schemas/common.ts'
import { TraceQuery, TraceRecord } from '../schemas/traces.ts'
import type { Services } from '../services.ts'
import { created, nothing, ok } from './answers.ts'

const tags = ['traces']

export function addTraceRoutes(app: App, { traces }: Services): void {
  app.post(
    '/v1/traces',
    {
      schema: {
        tags,
        summary: 'Upload a trace file, binary or NDJSON, as application/octet-stream or application/x-ndjson',
        querystring: TraceQuery,
        consumes: ['application/octet-stream', 'application/x-ndjson'],
        response: created(TraceRecord),
      },
    },
    async ({ body, query }, reply) => {
      const content = body as Readable | null | undefined
      if (typeof content?.pipe !== 'function') {
        throw new HttpError(
          'media-type',
          'body: found no file, expected one as application/octet-stream or application/x-ndjson',
        )
      }
      return reply.code(201).send(await traces.upload(content, query))
    },
  )
  app.get(
    '/v1/traces',
    { schema: { tags, summary: 'List traces', querystring: PageQuery, response: ok(pageOf(TraceRecord)) } },
    async ({ query }) => traces.list(query),
  )
  app.get(
    '/v1/traces/:id',
    { schema: { tags, summary: 'A trace and its statistics', params: IdParams, response: ok(TraceRecord) } },
    async ({ params }) => traces.get(params.id),
  )
  app.delete(
    '/v1/traces/:id',
    { schema: { tags, summary: 'Delete a trace', params: IdParams, response: nothing } },
    async ({ params }, reply) => {
      await traces.remove(params.id)
      return reply.code(204).send(null)
    },
  )
}
