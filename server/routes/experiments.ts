/** /v1/experiments and /v1/compare */
import type { App } from '../app.ts'
import { EXPORT_TYPES, exportResults } from '../exports/exports.ts'
import { IdParams, PageQuery, pageOf } from '../schemas/common.ts'
import {
  CellPage,
  CellParams,
  CellQuery,
  CellRecord,
  CompareQuery,
  ExperimentComparison,
  ExperimentRecord,
  ExportQuery,
  NewExperiment,
} from '../schemas/experiments.ts'
import { MemoryMap, WindowQuery } from '../schemas/snapshots.ts'
import type { Services } from '../services.ts'
import { accepted, nothing, ok } from './answers.ts'
import { addExperimentEvents } from './experiment-events.ts'

const tags = ['experiments']

export function addExperimentRoutes(app: App, services: Services): void {
  const { experiments } = services
  app.post(
    '/v1/experiments',
    {
      schema: {
        tags,
        summary: 'Restore a snapshot in every combination of workloads, policies, storages and layouts',
        body: NewExperiment,
        response: accepted(ExperimentRecord),
      },
    },
    async ({ body }, reply) => reply.code(202).send(await experiments.create(body)),
  )
  app.get(
    '/v1/experiments',
    { schema: { tags, summary: 'List experiments', querystring: PageQuery, response: ok(pageOf(ExperimentRecord)) } },
    async ({ query }) => experiments.list(query),
  )
  app.get(
    '/v1/experiments/:id',
    { schema: { tags, summary: 'An experiment and its progress', params: IdParams, response: ok(ExperimentRecord) } },
    async ({ params }) => experiments.get(params.id),
  )
  app.delete(
    '/v1/experiments/:id',
    { schema: { tags, summary: 'Cancel and delete an experiment', params: IdParams, response: nothing } },
    async ({ params }, reply) => {
      await experiments.remove(params.id)
      return reply.code(204).send(null)
    },
  )
  app.post(
    '/v1/experiments/:id/cancel',
    { schema: { tags, summary: 'Stop it; what has ended is kept', params: IdParams, response: ok(ExperimentRecord) } },
    async ({ params }) => experiments.cancel(params.id),
  )
  app.post(
    '/v1/experiments/:id/resume',
    {
      schema: {
        tags,
        summary: 'Go on with the cells that have not ended',
        params: IdParams,
        response: accepted(ExperimentRecord),
      },
    },
    async ({ params }, reply) => reply.code(202).send(await experiments.resume(params.id)),
  )
  app.post(
    '/v1/experiments/:id/rerun',
    { schema: { tags, summary: 'The same once more', params: IdParams, response: accepted(ExperimentRecord) } },
    async ({ params }, reply) => reply.code(202).send(await experiments.rerun(params.id)),
  )
  addCellRoutes(app, services)
  addExperimentEvents(app, services)
}

function addCellRoutes(app: App, { experiments }: Services): void {
  app.get(
    '/v1/experiments/:id/cells',
    {
      schema: {
        tags,
        summary: 'Its restores, with their records',
        params: IdParams,
        querystring: CellQuery,
        response: ok(CellPage),
      },
    },
    async ({ params, query }) => experiments.cells(params.id, query),
  )
  app.get(
    '/v1/experiments/:id/cells/:index',
    { schema: { tags, summary: 'One restore', params: CellParams, response: ok(CellRecord) } },
    async ({ params }) => experiments.cell(params.id, params.index),
  )
  app.get(
    '/v1/experiments/:id/cells/:index/map',
    {
      schema: {
        tags,
        summary: 'How a restore filled memory: when each page came, and why',
        params: CellParams,
        querystring: WindowQuery,
        response: ok(MemoryMap),
      },
    },
    async ({ params, query }) => experiments.map(params.id, params.index, query),
  )
  app.get(
    '/v1/experiments/:id/export',
    {
      schema: {
        tags,
        summary: 'Its records as a file',
        params: IdParams,
        querystring: ExportQuery,
        produces: EXPORT_TYPES,
      },
    },
    async ({ params, query }, reply) => {
      const { type, extension, content } = exportResults(query.format, experiments.results(params.id))
      reply.header('content-disposition', `attachment; filename="${params.id}.${extension}"`)
      return reply.type(type).send(content)
    },
  )
  app.get(
    '/v1/compare',
    {
      schema: {
        tags,
        summary: 'Two experiments, cell beside cell',
        querystring: CompareQuery,
        response: ok(ExperimentComparison),
      },
    },
    async ({ query }) => experiments.compare(query.a, query.b),
  )
}
