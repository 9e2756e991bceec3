/** What the server is: /health, and what requests may be made of. */
import type { App } from '../app.ts'
import { Health } from '../schemas/server-info.ts'

const VERSION = '0.1.0'

export function addInfoRoutes(app: App): void {
  app.get('/health', { schema: { response: { 200: Health } } }, async () => ({
    status: 'ok' as const,
    version: VERSION,
    uptimeS: process.uptime(),
  }))
}
