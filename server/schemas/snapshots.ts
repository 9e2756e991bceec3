/** Snapshots: files under a snapshot root, or synthetic ones; and where in memory their data lies. */
import Type, { type Static } from 'typebox'
import { f64, Id, nullable, SpecText, strict, u32 } from './common.ts'

export const NewSnapshot = Type.Union([
  strict({
    path: Type.String({
      minLength: 1,
      maxLength: 4096,
      description: 'A file under a --snapshot-root: relative to it, or absolute',
    }),
  }),
  strict({ synthetic: SpecText }, '`synthetic:1GiB,zero=60%,runs=64,seed=1`'),
])
export type NewSnapshot = Static<typeof NewSnapshot>

export const SnapshotBlock = strict({
  name: Type.String(),
  bytes: Type.Integer(),
  pageSize: Type.Integer(),
  pages: Type.Integer(),
  dataPages: Type.Integer({ description: 'Pages that have bytes in the file; the others are zero' }),
  ignored: Type.Boolean({ description: 'Shared memory that is not in the file' }),
})

export const SnapshotRecord = strict({
  id: Id,
  name: Type.String({ description: 'The path below its root, or the spec of a synthetic snapshot' }),
  format: Type.String(),
  machine: nullable(Type.String()),
  identity: Type.String(),
  bytes: Type.Integer({ description: 'RAM that is restored' }),
  dataBytes: Type.Integer(),
  pages: Type.Integer({ description: 'Target pages over all restored blocks: what `page` counts' }),
  blocks: Type.Array(SnapshotBlock),
  createdAt: Type.String({ description: 'ISO 8601' }),
})
export type SnapshotRecord = Static<typeof SnapshotRecord>

/** A window over host pages, cut into cells. */
export const WindowQuery = strict({
  from: Type.Optional(Type.Integer({ minimum: 0, description: 'First host page; 0 when not given' })),
  count: Type.Optional(Type.Integer({ minimum: 1, description: 'Host pages; all from `from` on when not given' })),
  cells: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 65536, description: 'At most so many cells; 1024 when not given' }),
  ),
})
export type WindowQuery = Static<typeof WindowQuery>

export const DensityQuery = strict({ ...WindowQuery.properties, layout: Type.Optional(SpecText) })
export type DensityQuery = Static<typeof DensityQuery>

const windowFields = {
  hostPages: Type.Integer({ description: 'Of the whole layout' }),
  from: Type.Integer(),
  count: Type.Integer(),
  pagesPerCell: Type.Integer({ description: 'The last cell may have fewer' }),
  blocks: Type.Array(
    strict({
      name: Type.String(),
      firstHostPage: Type.Integer(),
      endHostPage: Type.Integer(),
      hostPageSize: Type.Integer(),
    }),
  ),
}

export const DensityMap = strict({
  ...windowFields,
  zero: u32('Host pages of each cell without any data'),
  mixed: u32('Host pages of each cell with both data and zero target pages'),
})
export type DensityMap = Static<typeof DensityMap>

/** How a restore filled memory: for each cell of the window, what came when and why. */
export const MemoryMap = strict({
  ...windowFields,
  endNs: Type.Number({ description: 'When the last page was installed, or the work was done if that is later' }),
  resumeNs: Type.Number(),
  workDoneNs: Type.Number(),
  zero: u32('Host pages of each cell without any data in the snapshot'),
  touched: u32('Host pages of each cell that the workload touches'),
  byFault: u32('Host pages of each cell that were installed because of a fault on them'),
  byPrefetch: u32('Host pages of each cell that came without a fault of their own'),
  wasted: u32('Of byPrefetch, those that the workload never touches'),
  firstNs: f64('When the first page of each cell was installed; NaN (null in JSON): none'),
  lastNs: f64('When the last page of each cell that was installed was; NaN (null in JSON): none'),
})
export type MemoryMap = Static<typeof MemoryMap>
