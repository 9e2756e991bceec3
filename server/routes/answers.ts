/** What the documentation says of answers: those of a route, and the error that every route may give. */
import Type, { type TSchema } from 'typebox'
import { ErrorBody } from '../schemas/common.ts'

const ERROR = { '4xx': ErrorBody, '5xx': ErrorBody }

export function ok<S extends TSchema>(schema: S) {
  return { 200: schema, ...ERROR }
}

export function created<S extends TSchema>(schema: S) {
  return { 201: schema, ...ERROR }
}

export function accepted<S extends TSchema>(schema: S) {
  return { 202: schema, ...ERROR }
}

export const nothing = { 204: Type.Null({ description: 'Done' }), ...ERROR }
