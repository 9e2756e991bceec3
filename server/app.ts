/** The HTTP application: codecs, errors and routes around the server's services. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type RawServerDefault } from 'fastify'
import { addCodecs, encodeAnswer } from './http/codecs.ts'
import { errorAnswer, HttpError } from './http/errors.ts'
import { addInfoRoutes } from './routes/info.ts'

/** Fastify with request and answer types taken from the schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

export async function createApp(): Promise<App> {
  const app = Fastify({ logger: false }).withTypeProvider<TypeBoxTypeProvider>()
  app.setValidatorCompiler(TypeBoxValidatorCompiler)
  addCodecs(app)
  app.setErrorHandler((error, request, reply) => {
    const { status, body, retryAfterS, unforeseen } = errorAnswer(error)
    if (unforeseen) request.log.error(error)
    if (retryAfterS !== null) reply.header('retry-after', String(retryAfterS))
    return reply.code(status).send(encodeAnswer(request, reply, body))
  })
  app.setNotFoundHandler(() => {
    throw new HttpError('not-found', 'found no such path, expected one of those at /docs')
  })
  addInfoRoutes(app)
  return app
}
