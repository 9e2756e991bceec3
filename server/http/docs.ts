/** OpenAPI 3.1 of all routes, as /docs/json and as a page at /docs. */
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { VERSION } from '../version.ts'

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
  })
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: true })
}
