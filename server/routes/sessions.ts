/** /v1/sessions: fault replay. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App } from '../app.ts'
import { encodingOf, sendEncoded } from '../http/codecs.ts'
import type { Encoding } from '../http/encoding.ts'
import { errorAnswer } from '../http/errors.ts'
import { hasKey } from '../http/idempotency.ts'
import { IdParams, PageQuery, pageOf } from '../schemas/common.ts'
import { ReplayEvent } from '../schemas/events.ts'
import { FaultAnswer, FaultBatch, FaultQuery } from '../schemas/faults.ts'
import { RestoreRecord } from '../schemas/results.ts'
import { EndRequest, ForkRequest, NewSession, ReplayRequest, SessionRecord, SessionState } from '../schemas/sessions.ts'
import type { Services } from '../services.ts'
import { created, nothing, ok } from './answers.ts'

const tags = ['sessions']

export function addSessionRoutes(app: App, services: Services): void {
  const { sessions } = services
  app.post(
    '/v1/sessions',
    { schema: { tags, summary: 'Open a session', body: NewSession, response: created(SessionRecord) } },
    async ({ body }, reply) => reply.code(201).send(await sessions.create(body)),
  )
  app.get(
    '/v1/sessions',
    { schema: { tags, summary: 'List sessions', querystring: PageQuery, response: ok(pageOf(SessionRecord)) } },
    async ({ query }) => sessions.list(query),
  )
  app.get(
    '/v1/sessions/:id',
    { schema: { tags, summary: 'A session', params: IdParams, response: ok(SessionRecord) } },
    async ({ params: { id } }) => sessions.get(id),
  )
  app.post(
    '/v1/sessions/:id/faults',
    {
      schema: {
        tags,
        summary: 'The next accesses, and how their pages came',
        params: IdParams,
        querystring: FaultQuery,
        body: FaultBatch,
        response: ok(FaultAnswer),
      },
    },
    async (request, reply) => {
      const { params, query, body } = request
      const form = query.form ?? ('faults' in body ? 'list' : 'columns')
      return answer(request, reply, encoding => sessions.faults(params.id, body, form, encoding))
    },
  )
  app.post(
    '/v1/sessions/:id/end',
    {
      schema: {
        tags,
        summary: 'A vCPU, or each, has no further accesses',
        params: IdParams,
        querystring: FaultQuery,
        body: EndRequest,
        response: ok(FaultAnswer),
      },
    },
    async (request, reply) => {
      const { params, query, body } = request
      return answer(request, reply, encoding => sessions.end(params.id, body, query.form ?? 'list', encoding))
    },
  )
  app.get(
    '/v1/sessions/:id/state',
    { schema: { tags, summary: 'Counters, latencies, memory', params: IdParams, response: ok(SessionState) } },
    async (request, reply) => {
      const { params } = request
      return answer(request, reply, encoding => sessions.state(params.id, encoding))
    },
  )
  app.get(
    '/v1/sessions/:id/result',
    { schema: { tags, summary: 'The record of the restore so far', params: IdParams, response: ok(RestoreRecord) } },
    async ({ params: { id } }) => sessions.result(id),
  )
  app.post(
    '/v1/sessions/:id/reset',
    { schema: { tags, summary: 'Back to the start', params: IdParams, response: ok(SessionRecord) } },
    async ({ params: { id } }) => sessions.reset(id),
  )
  app.post(
    '/v1/sessions/:id/fork',
    {
      schema: {
        tags,
        summary: 'A copy at this instant: memory and clock stay; another policy may decide from here on',
        params: IdParams,
        body: ForkRequest,
        response: created(SessionRecord),
      },
    },
    async ({ params: { id }, body }, reply) => reply.code(201).send(await sessions.fork(id, body)),
  )
  app.delete(
    '/v1/sessions/:id',
    { schema: { tags, summary: 'Delete a session', params: IdParams, response: nothing } },
    async ({ params: { id } }, reply) => {
      await sessions.remove(id)
      return reply.code(204).send(null)
    },
  )
  addReplay(app, services)
}

/** Large answers are encoded by the sessions' thread; but one that is kept for an idempotency key is kept as a value. */
async function answer<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  ask: (encoding: Encoding | null) => Promise<T | Uint8Array<ArrayBuffer>>,
): Promise<T> {
  if (hasKey(request)) return (await ask(null)) as T
  // Fastify takes bytes for any answer; its types do not.
  return sendEncoded(request, reply, (await ask(encodingOf(request))) as Uint8Array<ArrayBuffer>) as T
}

function addReplay(app: App, { sessions, streams }: Services): void {
  app.post(
    '/v1/sessions/:id/replay',
    {
      schema: {
        tags,
        summary: 'Replay a whole workload; its progress and its result as server-sent events',
        params: IdParams,
        body: ReplayRequest,
        produces: ['text/event-stream'],
        response: { 200: ReplayEvent },
      },
    },
    async ({ params: { id }, body }, reply) => {
      sessions.get(id)
      const parts = sessions.replay(id, body.workload)
      const first = await parts.next()
      let closed = false
      const stream = streams.start(reply, () => {
        closed = true
      })
      try {
        let part = first
        for (; !part.done && !closed; part = await parts.next()) stream.send('progress', part.value)
        if (part.done) stream.send('result', part.value)
      } catch (error) {
        stream.send('error', errorAnswer(error).body)
      }
      stream.end()
    },
  )
}
