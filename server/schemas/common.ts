/** What several schemas share: ids, pages of a list, columns, errors. */
import Type, { type Static, type TSchema } from 'typebox'

/** An object in which unknown keys are an error. */
export function strict<P extends Record<string, TSchema>>(properties: P, description?: string) {
  return Type.Object(properties, { additionalProperties: false, ...(description === undefined ? {} : { description }) })
}

/** A value or null. */
export function nullable<S extends TSchema>(schema: S) {
  return Type.Union([schema, Type.Null()])
}

/** One of these texts. */
export function oneOf<const N extends readonly string[]>(names: N, description?: string) {
  return Type.Unsafe<N[number]>(Type.Enum([...names], description === undefined ? {} : { description }))
}

export const MAX_SPEC_LENGTH = 500

/** An id as the server gives it: sorts by the time at which it was given. */
export const Id = Type.String({ pattern: '^[a-z]{1,4}_[0-9a-z]{8,64}$', description: 'An id as the server gave it' })

export const IdParams = strict({ id: Id })

/** `name` or `name:key=value,…`; what it says is checked where it is used. */
export const SpecText = Type.String({ minLength: 1, maxLength: MAX_SPEC_LENGTH })

export const Seed = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

/** Whole or fractional ns, never NaN or infinite. */
export const Ns = Type.Number({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

export const PageQuery = strict({
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1000, description: 'Entries of a page; 100 when not given' }),
  ),
  after: Type.Optional(Type.String({ maxLength: 80, description: '`next` of the page before' })),
})
export type PageQuery = Static<typeof PageQuery>

/** A page of a list; newest first. `next`: what to pass as `after` for the next page; null: this is the last. */
export function pageOf<S extends TSchema>(item: S) {
  return strict({ items: Type.Array(item), next: nullable(Type.String()) })
}

/** What went wrong, in every answer of 4xx or 5xx. */
export const ErrorBody = strict({
  code: Type.String({ description: 'What a caller may branch on' }),
  message: Type.String(),
  details: nullable(Type.Unknown({ description: 'Where in the request, as far as that is known' })),
})
export type ErrorBody = Static<typeof ErrorBody>

type TypedArray = Uint8Array | Uint16Array | Uint32Array | Float64Array

/** A column in an answer: a typed array in MessagePack, a list of numbers in JSON. */
function column<A extends TypedArray>(kind: new (length: number) => A, description: string) {
  return Type.Unsafe<A>(Type.Array(Type.Number(), { description: `${description} (${kind.name} in MessagePack)` }))
}

export const u8 = (description: string) => column<Uint8Array>(Uint8Array, description)
export const u16 = (description: string) => column<Uint16Array>(Uint16Array, description)
export const u32 = (description: string) => column<Uint32Array>(Uint32Array, description)
export const f64 = (description: string) => column<Float64Array>(Float64Array, description)
