/** /v1/snapshots */
import type { App } from '../app.ts'
import { IdParams, PageQuery, pageOf } from '../schemas/common.ts'
import { DensityMap, DensityQuery, NewSnapshot, SnapshotRecord } from '../schemas/snapshots.ts'
import type { Services } from '../services.ts'
import { created, nothing, ok } from './answers.ts'

const tags = ['snapshots']

export function addSnapshotRoutes(app: App, { snapshots }: Services): void {
  app.post(
    '/v1/snapshots',
    {
      schema: {
        tags,
        summary: 'Register a snapshot file, or a synthetic one',
        body: NewSnapshot,
        response: created(SnapshotRecord),
      },
    },
    async (request, reply) => {
      const { record, isNew } = await snapshots.register(request.body)
      return reply.code(isNew ? 201 : (200 as 201)).send(record)
    },
  )
  app.get(
    '/v1/snapshots',
    { schema: { tags, summary: 'List snapshots', querystring: PageQuery, response: ok(pageOf(SnapshotRecord)) } },
    async ({ query }) => snapshots.list(query),
  )
  app.get(
    '/v1/snapshots/:id',
    { schema: { tags, summary: 'A snapshot', params: IdParams, response: ok(SnapshotRecord) } },
    async ({ params }) => snapshots.get(params.id),
  )
  app.get(
    '/v1/snapshots/:id/density',
    {
      schema: {
        tags,
        summary: 'How zero, data and mixed host pages lie in a window of memory',
        params: IdParams,
        querystring: DensityQuery,
        response: ok(DensityMap),
      },
    },
    async ({ params, query }) => snapshots.density(params.id, query),
  )
  app.delete(
    '/v1/snapshots/:id',
    { schema: { tags, summary: 'Forget a snapshot; its file stays', params: IdParams, response: nothing } },
    async ({ params }, reply) => {
      await snapshots.remove(params.id)
      return reply.code(204).send(null)
    },
  )
}
