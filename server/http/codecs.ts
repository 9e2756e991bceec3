/**
 * Bodies: JSON and MessagePack, by Content-Type and Accept. In MessagePack typed arrays stay typed arrays; in JSON they are
 * lists, and what is no finite number is null.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Packr, Unpackr } from 'msgpackr'
import { HttpError } from './errors.ts'
import { checkMsgpack } from './msgpack-check.ts'

export const MSGPACK = 'application/msgpack'
const MSGPACK_TYPES = [MSGPACK, 'application/x-msgpack', 'application/vnd.msgpack']

const CODEC = { useRecords: false, moreTypes: true, mapsAsObjects: true } as const

const packr = new Packr(CODEC)
const unpackr = new Unpackr(CODEC)

export function addCodecs(app: FastifyInstance): void {
  app.addContentTypeParser(MSGPACK_TYPES, { parseAs: 'buffer' }, async (_request: FastifyRequest, body: Buffer) =>
    decode(body),
  )
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

function decode(body: Buffer): unknown {
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
  // A copy of its own: the packer writes the next answer where this one lies.
  // Fastify sends a Buffer as it is; its types know text only.
  reply.serializer(value => Buffer.from(packr.pack(value)) as unknown as string)
}

function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, part) => (ArrayBuffer.isView(part) ? Array.from(part as Uint8Array) : part))
}
