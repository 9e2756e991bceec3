import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^lazyrestore$/, replacement: source('src/index.ts') },
      { find: /^lazyrestore\/client$/, replacement: source('server/client/index.ts') },
      { find: /^lazyrestore\/server$/, replacement: source('server/index.ts') },
      { find: /^lazyrestore\/sweeps$/, replacement: source('server/sweeps/index.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores are common where this runs; more workers only make timing-sensitive waits longer.
    maxWorkers: 2,
  },
})
