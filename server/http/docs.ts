/** OpenAPI 3.1 of all routes, as /docs/json and as a page at /docs. */
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { VERSION } from 'lazyrestore'
import { ErrorBody } from '../schemas/common.ts'
import { MSGPACK } from './codecs.ts'

const JSON_TYPE = 'application/json'

export async function addDocs(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'lazyrestore',
        version: VERSION,
        description:
          'Predict and measure lazy restores of VM snapshots. Bodies are JSON or MessagePack (application/msgpack, typed arrays as extension 0x74), by Content-Type and Accept.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: ({ schema, url }) => ({ schema: withBytes(schema ?? {}), url }),
    transformObject: document => {
      if ('openapiObject' in document) complete(document.openapiObject as Document)
      return 'openapiObject' in document ? document.openapiObject : document.swaggerObject
    },
  })
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: true })
}

interface BytesSchema {
  readonly body?: unknown
  readonly consumes?: readonly string[]
  readonly response?: unknown
  readonly produces?: readonly string[]
}

const BYTES = { type: 'string', format: 'binary', description: 'As it is' }

/** Bodies and answers that are named by their type only are bytes. */
function withBytes<S extends BytesSchema>(schema: S): S {
  return {
    ...schema,
    ...(schema.consumes !== undefined && schema.body === undefined ? { body: BYTES } : {}),
    ...(schema.produces !== undefined && schema.response === undefined ? { response: { 200: BYTES } } : {}),
  }
}

type Content = Record<string, unknown>
interface Operation {
  parameters?: object[]
  readonly requestBody?: { readonly content: Content }
  readonly responses: Record<string, { description: string; readonly content?: Content }>
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

const IDEMPOTENCY_KEY = {
  in: 'header',
  name: 'idempotency-key',
  required: false,
  schema: { type: 'string', minLength: 1, maxLength: 200 },
  description: 'Makes the request safe to repeat: sent again with the same key it is answered as the first one was',
}

/** What holds of all routes and no route says: both encodings, errors, the key of a POST. */
function complete({ paths }: Document): void {
  for (const methods of Object.values(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const { requestBody, responses } = operation
      for (const status of ['4XX', '5XX']) {
        responses[status] = { description: 'What went wrong', content: { [JSON_TYPE]: { schema: ErrorBody } } }
      }
      addMsgpack(requestBody?.content)
      for (const { content } of Object.values(responses)) addMsgpack(content)
      if (method === 'post') operation.parameters = [...(operation.parameters ?? []), IDEMPOTENCY_KEY]
    }
  }
}

/** Where JSON is all there is, it may be MessagePack. */
function addMsgpack(content: Content | undefined): void {
  if (content === undefined || Object.keys(content).join() !== JSON_TYPE) return
  content[MSGPACK] = content[JSON_TYPE]
}
