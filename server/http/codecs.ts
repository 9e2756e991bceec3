/**
 * Bodies: JSON and MessagePack, by Content-Type and Accept. In MessagePack typed arrays stay typed arrays; in JSON they are
 * lists, and what is no finite number is null.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Packr, Unpackr } from 'msgpackr'
import { BodyReceiver } from './body.ts'
import { HttpError } from './errors.ts'
import { checkJsonDepth } from './json-check.ts'
import { checkMsgpack } from './msgpack-check.ts'

export const MSGPACK = 'application/msgpack'
const MSGPACK_TYPES = [MSGPACK, 'application/x-msgpack', 'application/vnd.msgpack']
const JSON_TYPE = 'application/json'
/** Sent as they are, to routes that take a stream. */
const STREAM_TYPES = ['application/octet-stream', 'application/x-ndjson']

/** A byte of JSON can become some 30 bytes of objects; MessagePack is held back by the number of its values. */
const MAX_JSON_BYTES = 4 * 1024 * 1024
/** Bodies under way, as a multiple of the largest one. */
const BUDGET_BODIES = 8

const CODEC = { useRecords: false, moreTypes: true, mapsAsObjects: true } as const

const packr = new Packr(CODEC)
const unpackr = new Unpackr(CODEC)

export function addCodecs(app: FastifyInstance, bodyBytes: number): void {
  const receiver = new BodyReceiver(bodyBytes * BUDGET_BODIES)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(JSON_TYPE, async (_request: FastifyRequest, payload: FastifyRequest['raw']) =>
    parseJson(await receiver.receive(payload, Math.min(bodyBytes, MAX_JSON_BYTES))),
  )
  app.addContentTypeParser(MSGPACK_TYPES, async (_request: FastifyRequest, payload: FastifyRequest['raw']) =>
    parseMsgpack(await receiver.receive(payload, bodyBytes)),
  )
  app.addContentTypeParser(STREAM_TYPES, async (_request: FastifyRequest, payload: FastifyRequest['raw']) => payload)
  // Schemas of answers are documentation; what is sent is what the routes return.
  app.setSerializerCompiler(() => value => toJson(value))
  app.addHook('preSerialization', async (request, reply, payload) => {
    if (wantsMsgpack(request)) sendMsgpack(reply)
    return payload
  })
}

/** For answers that are sent without a route, as errors are. */
export function encodeAnswer(request: FastifyRequest, reply: FastifyReply, value: unknown): string | Buffer {
  if (!wantsMsgpack(request)) {
    reply.header('content-type', 'application/json; charset=utf-8')
    return toJson(value)
  }
  reply.header('content-type', MSGPACK)
  return Buffer.from(packr.pack(value))
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
    return unpackr.unpack(body)
  } catch (error) {
    if (error instanceof HttpError) throw error
    throw new HttpError('invalid', 'body: found no valid MessagePack, expected one value')
  }
}

function wantsMsgpack({ headers }: FastifyRequest): boolean {
  const { accept } = headers
  return accept !== undefined && MSGPACK_TYPES.some(type => accept.includes(type))
}

function sendMsgpack(reply: FastifyReply): void {
  reply.header('content-type', MSGPACK)
  // A copy of its own: the packer writes the next answer where this one lies. Fastify sends it as it is; its types know text only.
  reply.serializer(value => Buffer.from(packr.pack(value)) as unknown as string)
}

function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, part) => (ArrayBuffer.isView(part) ? Array.from(part as Uint8Array) : part))
}
