/** Bodies: JSON and MessagePack, by Content-Type and Accept. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Limits } from '../limits.ts'
import { BodyReceiver, checkAnnounced } from './body.ts'
import { type Encoding, fromMsgpack, toJson, toMsgpack } from './encoding.ts'
import { HttpError } from './errors.ts'
import { checkJsonDepth } from './json-check.ts'
import { checkMsgpack } from './msgpack-check.ts'

export const MSGPACK = 'application/msgpack'
const MSGPACK_TYPES = [MSGPACK, 'application/x-msgpack', 'application/vnd.msgpack']
const JSON_TYPE = 'application/json'
const TYPE_OF = { json: 'application/json; charset=utf-8', msgpack: MSGPACK } as const
/** Sent as they are, to routes that take a stream. */
const STREAM_TYPES = ['application/octet-stream', 'application/x-ndjson']

/** A byte of JSON can become some 30 bytes of objects; MessagePack is held back by the number of its values. */
const MAX_JSON_BYTES = 4 * 1024 * 1024
/** Bodies under way, as a multiple of the largest one. */
const BUDGET_BODIES = 8

export function addCodecs(app: FastifyInstance, { bodyBytes, traceBytes }: Limits): void {
  const receiver = new BodyReceiver(bodyBytes * BUDGET_BODIES)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(JSON_TYPE, async (_request: FastifyRequest, payload: FastifyRequest['raw']) =>
    parseJson(await receiver.receive(payload, Math.min(bodyBytes, MAX_JSON_BYTES))),
  )
  app.addContentTypeParser(MSGPACK_TYPES, async (_request: FastifyRequest, payload: FastifyRequest['raw']) =>
    parseMsgpack(await receiver.receive(payload, bodyBytes)),
  )
  app.addContentTypeParser(STREAM_TYPES, async (_request: FastifyRequest, payload: FastifyRequest['raw']) => {
    checkAnnounced(payload, traceBytes)
    return payload
  })
  // Schemas of answers are documentation; what is sent is what the routes return.
  app.setSerializerCompiler(() => value => toJson(value))
  app.addHook('preSerialization', async (request, reply, payload) => {
    if (encodingOf(request) === 'msgpack') sendMsgpack(reply)
    return payload
  })
}

/** For answers that are sent without a route, as errors are. */
export function encodeAnswer(request: FastifyRequest, reply: FastifyReply, value: unknown): string | Buffer {
  const encoding = encodingOf(request)
  reply.header('content-type', TYPE_OF[encoding])
  return encoding === 'json' ? toJson(value) : Buffer.from(toMsgpack(value).buffer)
}

/** An answer that is encoded already, in what the request wants. */
export function sendEncoded(request: FastifyRequest, reply: FastifyReply, { buffer }: Uint8Array<ArrayBuffer>) {
  return reply.header('content-type', TYPE_OF[encodingOf(request)]).send(Buffer.from(buffer))
}

/** What the answer to a request is encoded in. */
export function encodingOf({ headers: { accept } }: FastifyRequest): Encoding {
  return accept !== undefined && MSGPACK_TYPES.some(type => accept.includes(type)) ? 'msgpack' : 'json'
}

function parseJson(body: Buffer): unknown {
  // A POST without anything to say may still name its type.
  if (body.length === 0) return null
  checkJsonDepth(body)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body), refusePrototype)
  } catch (error) {
    if (error instanceof HttpError) throw error
    throw new HttpError('invalid', 'body: found no valid JSON, expected one value')
  }
}

/** An own key of this name becomes a prototype as soon as somebody copies the object. */
function refusePrototype(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new HttpError('invalid', 'body: found the key __proto__, expected none of this name')
  return value
}

function parseMsgpack(body: Buffer): unknown {
  if (body.length === 0) return null
  try {
    checkMsgpack(body)
    return fromMsgpack(body)
  } catch (error) {
    if (error instanceof HttpError) throw error
    throw new HttpError('invalid', 'body: found no valid MessagePack, expected one value')
  }
}

function sendMsgpack(reply: FastifyReply): void {
  reply.header('content-type', MSGPACK)
  // Fastify sends it as it is; its types know text only.
  reply.serializer(value => Buffer.from(toMsgpack(value).buffer) as unknown as string)
}
