import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const inFolder = (folder: string): string => `test/${folder === '' ? '' : `${folder}/`}**/*.test.ts`

const PURE_FOLDERS = [
  'cli',
  'burst',
  'core',
  'destination',
  'experiment',
  'policy',
  'replay',
  'report',
  'resolver',
  'server/web',
  'sim',
  'snapshot',
  'storage',
  'working-set',
  'workload',
]
/**
 * Tests that leave nothing behind in their process, and do not look at its memory: those of what computes, those of the
 * commands, each of which is a process of its own, and those of the server but for its bounds.
 */
const PURE = [...PURE_FOLDERS.map(inFolder), 'test/server/!(bodies|limits).test.ts']

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
    // Modules load once a worker for files that leave nothing behind in the process, as that takes longer than the tests.
    projects: [
      { extends: true, test: { name: 'pure', include: PURE, isolate: false } },
      {
        extends: true,
        test: {
          name: 'host',
          include: [inFolder('')],
          exclude: PURE,
          globalSetup: './test/support/build-children.ts',
        },
      },
    ],
    reporters: ['default', './test/support/skip-reporter.ts'],
    // For a run where there is KVM: see test/emulated-host, whose CPUs are slow.
    tags: [
      { name: 'kvm', description: 'needs /dev/kvm', timeout: 240_000 },
      { name: 'shutdown', description: 'its guest ends in a triple fault' },
    ],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores are common where this runs; more workers only make timing-sensitive waits longer.
    maxWorkers: 2,
  },
})
