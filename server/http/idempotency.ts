/**
 * The header Idempotency-Key: a POST that is sent again with the key of one that has succeeded is answered as that one was,
 * and nothing happens. The answer is kept for a day, in the store; a key that comes with another request is refused.
 */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RecordKey, Store } from '../store/store.ts'
import { HttpError } from './errors.ts'

interface Answered {
  readonly fingerprint: string
  readonly status: number
  readonly value: unknown
  readonly atMs: number
}

const KIND = 'answered'
/** By time, so that the oldest are found without reading the others. */
const TIME_KIND = 'answered-at'
const HEADER = 'idempotency-key'
const MAX_KEY_LENGTH = 200
const RETRY_AFTER_S = 1
const KEYS_A_SWEEP = 1000
const MS_BETWEEN_SWEEPS = 60_000

/** What a request with a key is known by. */
interface Claim {
  readonly key: string
  readonly fingerprint: string
}

export function addIdempotency(app: FastifyInstance, store: Store, keptMs: number): void {
  const claims = new WeakMap<FastifyRequest, Claim>()
  const underWay = new Set<string>()
  const release = (request: FastifyRequest): void => {
    const claim = claims.get(request)
    if (claim !== undefined) underWay.delete(claim.key)
    claims.delete(request)
  }

  app.addHook('preHandler', async (request, reply) => {
    const key = keyOf(request)
    if (key === null) return
    const fingerprint = fingerprintOf(request)
    const known = store.get<Answered>([KIND, key])
    if (known !== null && Date.now() - known.atMs < keptMs) {
      if (known.fingerprint !== fingerprint) {
        throw new HttpError('conflict', `${HEADER}: found it with another request before, expected a new key`)
      }
      return reply.code(known.status).header('idempotent-replayed', 'true').send(known.value)
    }
    if (underWay.has(key)) {
      throw new HttpError('conflict', `${HEADER}: found a request of this key under way`, {
        retryAfterS: RETRY_AFTER_S,
      })
    }
    underWay.add(key)
    claims.set(request, { key, fingerprint })
    // Streams of events are sent without any hook.
    reply.raw.once('close', () => {
      if (reply.sent) release(request)
    })
  })
  app.addHook('preSerialization', async (request, reply, value) => {
    const claim = claims.get(request)
    if (claim === undefined || reply.statusCode >= 300) return value
    const atMs = Date.now()
    const answered: Answered = { fingerprint: claim.fingerprint, status: reply.statusCode, value, atMs }
    await store.commit({
      put: [
        [[KIND, claim.key], answered],
        [[TIME_KIND, atMs, claim.key], null],
      ],
    })
    return value
  })
  // Its work is done then, also where the sender is gone and nothing is sent; while the work goes on, the key stays taken.
  app.addHook('onSend', async (request, _reply, payload) => {
    release(request)
    return payload
  })
  // What cannot be removed now is removed later.
  const sweep = (): void => void forgetAnswers(store, keptMs).catch(() => {})
  const sweeps = setInterval(sweep, Math.min(MS_BETWEEN_SWEEPS, keptMs)).unref()
  app.addHook('preClose', async () => clearInterval(sweeps))
}

/** Forgets answers that are older than they are kept, the oldest first; so many at a time. */
async function forgetAnswers(store: Store, keptMs: number): Promise<void> {
  const before = Date.now() - keptMs
  const remove: RecordKey[] = []
  for (const [timeKey] of store.list([TIME_KIND], { limit: KEYS_A_SWEEP })) {
    const [, atMs, key] = timeKey as [string, number, string]
    if (atMs > before) break
    remove.push(timeKey)
    // The key may have been used again since.
    if (store.get<Answered>([KIND, key])?.atMs === atMs) remove.push([KIND, key])
  }
  if (remove.length > 0) await store.commit({ remove })
}

/** The answer to the request will be kept. */
export function hasKey({ method, headers }: FastifyRequest): boolean {
  return method === 'POST' && headers[HEADER] !== undefined
}

/** Hashed, with the path, as keys are the callers' own; null: the request has none. */
function keyOf({ method, headers, routeOptions }: FastifyRequest): string | null {
  const key = headers[HEADER]
  if (method !== 'POST' || typeof key !== 'string') return null
  if (key === '' || key.length > MAX_KEY_LENGTH) {
    throw new HttpError('invalid', `${HEADER}: found ${key.length} characters, expected 1 to ${MAX_KEY_LENGTH}`)
  }
  return createHash('sha256').update(`${routeOptions.url} ${key}`).digest('hex')
}

/** Of what was asked; an upload's content is not read for it. */
function fingerprintOf({ url, body }: FastifyRequest): string {
  const content = body instanceof Readable ? '' : JSON.stringify(body, (_key, part) => plain(part))
  return createHash('sha256').update(`${url}\0${content}`).digest('hex')
}

function plain(part: unknown): unknown {
  return ArrayBuffer.isView(part) ? Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('base64') : part
}
