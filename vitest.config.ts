import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores are common where this runs; more workers only make timing-sensitive waits longer.
    maxWorkers: 2,
  },
})
