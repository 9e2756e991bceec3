/** The dashboard's built files at /, open to whoever reaches the address: nothing in them is secret. It asks for the token itself. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import staticFiles from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { builtFile } from '../jobs/built-file.ts'

/** The names of these have a hash of their content. */
const HASHED = '/assets/'

export async function addDashboard(app: FastifyInstance): Promise<void> {
  const root = fileURLToPath(builtFile('web', import.meta.url))
  if (!existsSync(root)) {
    app.log.warn({}, 'found no dashboard, expected one that `npm run build` made')
    return
  }
  await app.register(async pages => {
    pages.addHook('onRoute', route => {
      route.config = { ...route.config, open: true }
      route.schema = { ...route.schema, hide: true }
    })
    await pages.register(staticFiles, {
      root,
      // A route a file, so that all other paths stay unknown ones.
      wildcard: false,
      decorateReply: false,
      cacheControl: false,
      setHeaders: (reply, path) =>
        reply.header('cache-control', path.includes(HASHED) ? 'public, max-age=31536000, immutable' : 'no-cache'),
    })
  })
}
