/** Builds the dashboard (server/web) to where the server serves it from. `npx vite` serves it for development, beside a server at its default port. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

export default defineConfig({
  root: path('server/web'),
  resolve: { alias: { 'lazyrestore/client': path('server/client/index.ts') } },
  server: { proxy: { '/v1': 'http://127.0.0.1:7070', '/docs': 'http://127.0.0.1:7070' } },
  build: {
    outDir: path('dist/server/web'),
    emptyOutDir: true,
    target: 'es2023',
    // The content security policy knows no inline scripts, and images from data only.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
  },
  logLevel: 'warn',
})
