/**
 * A batch of accesses and its answers, in two forms: a list of objects, for people and scripts, and columns, for speed.
 * Accesses are numbered from 0 over the whole session, in the order in which they were sent.
 */
import Type, { type Static, type TSchema } from 'typebox'
import { f64, Ns, oneOf, strict, u8, u32 } from './common.ts'
import { MAX_BATCH, OPERATIONS } from './operations.ts'
import { Installed } from './sessions.ts'

const PageNumber = Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 })
const Vcpu = Type.Integer({ minimum: 0, maximum: 1023 })
const ThinkNs = Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 })

const timing = {
  vcpu: Type.Optional(Vcpu),
  write: Type.Optional(Type.Boolean()),
  thinkNs: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 2 ** 32 - 1,
      description: 'Computation between the end of the access before (or the resume) and this one; 0 when not given',
    }),
  ),
  atNs: Type.Optional(Ns),
}

export const Fault = Type.Union([
  strict({ page: PageNumber, ...timing }, 'By target page, over all blocks'),
  strict(
    { block: Type.String({ maxLength: 255 }), offset: Type.Integer({ minimum: 0 }), ...timing },
    'By byte of a block',
  ),
])
export type Fault = Static<typeof Fault>

/** A column in a request: a typed array, or a list of whole numbers. */
function inColumn<A extends Uint8Array | Uint16Array | Uint32Array, S extends TSchema>(
  kind: abstract new (length: number) => A,
  item: S,
) {
  const typed = Type.Refine(Type.Unknown({ description: kind.name }), value => value instanceof kind)
  return Type.Unsafe<A | number[]>(Type.Union([typed, Type.Array(item, { maxItems: MAX_BATCH })]))
}

export const FaultList = strict({ faults: Type.Array(Fault, { minItems: 1, maxItems: MAX_BATCH }) })
export type FaultList = Static<typeof FaultList>

export const FaultColumns = strict(
  {
    page: inColumn(Uint32Array, PageNumber),
    vcpu: Type.Optional(inColumn(Uint16Array, Vcpu)),
    thinkNs: Type.Optional(inColumn(Uint32Array, ThinkNs)),
    flags: Type.Optional(inColumn(Uint8Array, Type.Integer({ minimum: 0, maximum: 3 }))),
  },
  'Columns of one length; those left out are all 0. flags: 1 writes, 2 the time before is idle',
)
export type FaultColumns = Static<typeof FaultColumns>

export const FaultBatch = Type.Union([FaultList, FaultColumns])
export type FaultBatch = Static<typeof FaultBatch>

export const Resolution = strict({
  access: Type.Integer({ description: 'Its number in the session' }),
  op: oneOf(OPERATIONS),
  hostPage: Type.Integer(),
  runs: Type.Array(strict({ offset: Type.Integer(), length: Type.Integer() }), {
    description:
      'Bytes that the host page is made of, in the snapshot file, or in the one of its files that has them; the rest is zero',
  }),
  latencyNs: Ns,
})

const clock = {
  clockNs: Ns,
  pending: Type.Integer({ description: 'Accesses without an answer yet: their vCPUs wait for what others do' }),
}

export const FaultListAnswer = strict({
  resolutions: Type.Array(Resolution),
  installed: Type.Array(
    strict({
      first: Type.Integer(),
      count: Type.Integer(),
      op: oneOf(OPERATIONS),
      atNs: Ns,
    }),
  ),
  ...clock,
})
export type FaultListAnswer = Static<typeof FaultListAnswer>

export const FaultColumnsAnswer = strict({
  access: f64('Number of each access that was answered'),
  op: u8('0 copy, 1 zeropage, 2 zero-copy, 3 resident, 4 minor, 5 major'),
  hostPage: u32('Its host page'),
  latencyNs: f64('How long it took'),
  installed: Installed,
  ...clock,
})
export type FaultColumnsAnswer = Static<typeof FaultColumnsAnswer>

export const FaultAnswer = Type.Union([FaultListAnswer, FaultColumnsAnswer])
export type FaultAnswer = Static<typeof FaultAnswer>

export const FaultQuery = strict({
  form: Type.Optional(oneOf(['list', 'columns'], "Form of the answer; the request's when not given")),
})
export type FaultQuery = Static<typeof FaultQuery>
