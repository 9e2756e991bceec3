/** The HTTP application: codecs, errors, security and routes around the services. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import rateLimit from '@fastify/rate-limit'
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController, type RawServerDefault } from 'fastify'
import { endedEarly } from './http/body.ts'
import { answerClientError } from './http/client-errors.ts'
import { addCodecs, encodeAnswer } from './http/codecs.ts'
import { addDashboard } from './http/dashboard.ts'
import { addDocs } from './http/docs.ts'
import { errorAnswer, HttpError } from './http/errors.ts'
import { addIdempotency } from './http/idempotency.ts'
import { Metrics } from './http/metrics.ts'
import { addSecurity } from './http/security.ts'
import { addExperimentRoutes } from './routes/experiments.ts'
import { addInfoRoutes } from './routes/info.ts'
import { addSessionRoutes } from './routes/sessions.ts'
import { addSnapshotRoutes } from './routes/snapshots.ts'
import { addTraceRoutes } from './routes/traces.ts'
import type { Services } from './services.ts'

/** Fastify with request and answer types taken from the schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

const MAX_HEADER_BYTES = 16 * 1024
const KEEP_ALIVE_MS = 60_000
/** A socket on which nothing moves; longer than any job that somebody waits for. */
const IDLE_SOCKET_MS = 120_000
/** How often Node looks for requests that are late. */
const CHECK_MS = 1000

/** Two of three headers would be news at every answer; an answer that was refused says when to come back. */
const NO_RATE_HEADERS = { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false }

export interface AppOptions {
  /** Null: whoever reaches the address may ask. */
  readonly token: string | null
  /** Where the log goes, a JSON object a line; null: nowhere. */
  readonly log: { write(line: string): void } | null
}

export async function createApp(services: Services, { token, log }: AppOptions): Promise<App> {
  const { limits } = services
  const app: App = Fastify({
    logger: log === null ? false : { level: 'info', stream: log },
    logController: new LogController({ disableRequestLogging: true }),
    // Bodies are received by our own codecs, each with a limit of its own.
    bodyLimit: limits.traceBytes,
    requestTimeout: limits.bodyMs,
    connectionTimeout: IDLE_SOCKET_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    clientErrorHandler: answerClientError,
    routerOptions: { maxParamLength: 128 },
    http: {
      headersTimeout: limits.headersMs,
      connectionsCheckingInterval: CHECK_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.server.maxConnections = limits.connections
  app.setValidatorCompiler(TypeBoxValidatorCompiler)
  addErrors(app)
  addCodecs(app, limits)
  // Whose connection was reset before its request was looked at has no address any more, by which requests are counted.
  app.addHook('onRequest', async ({ ip }) => {
    if ((ip as string | undefined) === undefined) throw endedEarly()
  })
  await app.register(rateLimit, {
    max: limits.requestsPerS,
    timeWindow: 1000,
    addHeadersOnExceeding: NO_RATE_HEADERS,
    addHeaders: NO_RATE_HEADERS,
    errorResponseBuilder: (_request, { max }) =>
      new HttpError('too-many', `found more than ${max} requests in a second`, { retryAfterS: 1 }),
  })
  addSecurity(app, token)
  addIdempotency(app, services.store, limits.idempotencyMs)
  const metrics = createMetrics(services)
  metrics.observe(app)
  await addDocs(app)
  await addDashboard(app)
  addInfoRoutes(app, services, metrics)
  addSnapshotRoutes(app, services)
  addTraceRoutes(app, services)
  addExperimentRoutes(app, services)
  addSessionRoutes(app, services)
  app.addHook('preClose', async () => services.streams.endAll())
  return app
}

function addErrors(app: App): void {
  app.setErrorHandler((error, request, reply) => {
    const { status, body, retryAfterS, unforeseen } = errorAnswer(error)
    if (unforeseen) request.log.error(error)
    if (retryAfterS !== null) reply.header('retry-after', String(retryAfterS))
    // What is left of a body that was refused would be taken for the next request.
    if (!request.raw.complete) reply.header('connection', 'close')
    return reply.code(status).send(encodeAnswer(request, reply, body))
  })
  app.setNotFoundHandler(() => {
    throw new HttpError('not-found', 'found no such path, expected one of those at /docs')
  })
  app.addHook('onResponse', async (request, reply) => {
    const { method, routeOptions, id } = request
    request.log.info(
      { id, method, route: routeOptions.url ?? null, status: reply.statusCode, ms: reply.elapsedTime },
      'answered',
    )
  })
}

function createMetrics({ experiments, pool, sessions, store, streams }: Services): Metrics {
  const gauges = [
    { name: 'lazyrestore_cells_left', help: 'Restores that wait or run', value: () => experiments.cellsLeft },
    { name: 'lazyrestore_cells_running', help: 'Restores that run', value: () => experiments.running },
    { name: 'lazyrestore_jobs_waiting', help: 'Jobs that wait for a thread', value: () => pool.waiting },
    { name: 'lazyrestore_sessions_open', help: 'Sessions in memory', value: () => sessions.open },
    { name: 'lazyrestore_session_bytes', help: 'Memory of sessions', value: () => sessions.bytes },
    { name: 'lazyrestore_store_bytes', help: 'Size of the store', value: () => store.byteLength },
    { name: 'lazyrestore_event_streams', help: 'Open streams of server-sent events', value: () => streams.count },
  ]
  const counters = [
    {
      name: 'lazyrestore_session_faults_total',
      help: 'Accesses that sessions have taken',
      value: () => sessions.taken,
    },
    { name: 'lazyrestore_cells_done_total', help: 'Restores that have a result', value: () => experiments.ended.done },
    {
      name: 'lazyrestore_cells_failed_total',
      help: 'Restores that have failed',
      value: () => experiments.ended.failed,
    },
  ]
  return new Metrics(gauges, counters)
}
