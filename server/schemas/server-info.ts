/** What the server is and what it can be asked for. */
import Type, { type Static } from 'typebox'
import { nullable, strict } from './common.ts'

export const Health = strict({ status: Type.Literal('ok'), version: Type.String(), uptimeS: Type.Number() })
export type Health = Static<typeof Health>

const Option = strict({
  name: Type.String(),
  kind: Type.String({ description: 'bytes, count, durationNs, share, boolean or text' }),
  initial: Type.Union([Type.String(), Type.Number(), Type.Boolean()]),
  help: Type.String(),
})

const Named = strict({ name: Type.String(), summary: Type.String(), options: Type.Array(Option) })

/** What can stand in a request, for forms. */
export const Choices = strict({
  policies: Type.Array(Named),
  workloads: Type.Array(Named),
  storages: Type.Array(strict({ name: Type.String(), summary: Type.String() })),
  hostPageSizes: Type.Array(Type.String()),
  engines: Type.Array(
    strict({
      name: Type.String(),
      summary: Type.String(),
      missing: nullable(Type.String({ description: 'Why this host cannot run it; null: it can' })),
    }),
  ),
  limits: strict({
    batchFaults: Type.Integer(),
    sessions: Type.Integer(),
    sessionAccesses: Type.Integer(),
    queuedCells: Type.Integer(),
    experimentCells: Type.Integer(),
    traceBytes: Type.Integer(),
    snapshotPages: Type.Integer(),
    bodyBytes: Type.Integer(),
  }),
})
export type Choices = Static<typeof Choices>
