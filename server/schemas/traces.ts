/** Traces: workloads that were uploaded as files. The body of an upload is the file itself. */
import Type, { type Static } from 'typebox'
import { Id, nullable, oneOf, strict } from './common.ts'

export const TraceQuery = strict({
  name: Type.Optional(
    Type.String({ minLength: 1, maxLength: 200, description: "Name to show; the file's own when not given" }),
  ),
})
export type TraceQuery = Static<typeof TraceQuery>

const WorkloadStatistics = strict({
  accesses: Type.Integer(),
  vcpus: Type.Integer(),
  distinctPages: Type.Integer(),
  bytesTouched: Type.Integer(),
  touchedShare: Type.Number(),
  runs: Type.Integer(),
  meanRunPages: Type.Number(),
  writeShare: Type.Number(),
  writtenPages: Type.Integer(),
  computeNs: Type.Number(),
  idleNs: Type.Number(),
  longestVcpuNs: Type.Number(),
})

export const TraceRecord = strict({
  id: Id,
  name: Type.String(),
  format: oneOf(['binary', 'ndjson']),
  bytes: Type.Integer(),
  sha256: Type.String(),
  seed: nullable(Type.Integer()),
  snapshotIdentity: nullable(
    Type.String({ description: 'The only snapshot that it goes with; null: any of its size' }),
  ),
  pageCount: Type.Integer(),
  pageSize: Type.Integer(),
  statistics: WorkloadStatistics,
  createdAt: Type.String({ description: 'ISO 8601' }),
})
export type TraceRecord = Static<typeof TraceRecord>
