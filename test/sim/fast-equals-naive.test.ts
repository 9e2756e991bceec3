/**
 * The simulator against docs/model.md as test/sim/naive writes it down: equal to the nanosecond, in every count and in the
 * order of every install, whatever the policy, memory, workload, host and device.
 */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { POLICIES } from '../../src/policy/registry.ts'
import { runFast, runNaively } from './outcome.ts'
import { anyRestore, type RestoreCase, restoreOf } from './random-restore.ts'

const CASES = 1500
/** Many cases, on a machine that may be busy. */
const PATIENCE_MS = 600_000

/** Rules of the model that a test could easily never come across. */
const RULES = [
  'mapped for the guest',
  'mapped in the shadow',
  'woken before it sleeps',
  'woken to its own busy core',
  'in the kernel beside another core',
  'an answer has several runs',
  'woken to its own idle core',
  'a lock is waited for',
  'a lock is waited for in line',
  'a fault is cold',
  'a fault joins an install',
  'a message disappears unread',
  'a mixed page is filled up',
  'a worker keeps to its rate',
  'a worker stands back',
  'an idle core takes a thread',
  'an idle core takes a thread between two steps',
  'another core than its own is idle',
  'copy on write',
  'copy on write interrupts other cores',
  'installed during the trap',
  'installed while it queues',
  'mapped around',
  'more bursts than cores',
  'one install wakes several',
  'one read of the file for several runs',
  'read: a request for each run of pages',
  'read: goes on where somebody read',
  "read: touches another's marker",
  'map: touches a marker',
  'read: just what was asked for',
  'read: nobody waits for what it brings',
  'read: opens a window',
  'read: touches the marker',
  'storage: a chunk is here already',
  'storage: a chunk is in the local tier',
  'the file is read past what others claimed',
  'zero fill',
]

const MEDIA = ['queue', 'disk', 'cloud-block', 'network-file', 'object-store']

describe('the simulator and the naive one', () => {
  test(
    'agree on every restore, to the nanosecond, under every policy and by every rule',
    () => {
      const policies = new Map<string, number>()
      const rules = new Set<string>()
      const media = new Map<string, number>()
      fc.assert(
        fc.property(anyRestore, given => {
          const restore = restoreOf(given)
          const naive = runNaively(restore)
          expect(runFast(restore).outcome).toStrictEqual(naive.outcome)
          const [policy] = given.policy.split(':')
          policies.set(policy, (policies.get(policy) ?? 0) + 1)
          const medium = given.beyond.medium?.kind ?? 'queue'
          media.set(medium, (media.get(medium) ?? 0) + 1)
          for (const rule of naive.machine.rules) rules.add(rule)
        }),
        { numRuns: CASES },
      )
      for (const { name } of POLICIES)
        expect.soft(policies.get(name), name).toBeGreaterThan(CASES / POLICIES.length / 2)
      for (const medium of MEDIA) expect.soft(media.get(medium), medium).toBeGreaterThan(CASES / MEDIA.length / 2)
      expect(RULES.filter(rule => !rules.has(rule))).toEqual([])
    },
    PATIENCE_MS,
  )
})

describe('a mapping that misses more often than MMAP_LOTSAMISS', () => {
  const anyScatteredRestore = fc.tuple(anyRestore, fc.integer({ min: 1, max: 6 }), fc.integer({ min: 7, max: 13 })).map(
    ([given, readaheadPages, step]): RestoreCase => ({
      ...given,
      policy: 'mmap',
      cacheWarm: false,
      memory: {
        pageSize: 4096,
        blocks: [{ memory: ['anon', 4096], hostPages: 2000, missing: 0, dataShare: 1, meanRun: 1, seed: 0 }],
      },
      vcpus: [[{ page: 0, count: 150, step, thinkNs: 100, write: false, idle: false }, ...given.vcpus.flat()]],
      host: { ...given.host, readaheadPages, faultAroundPages: 1 },
    }),
  )

  property.prop([anyScatteredRestore], { numRuns: 50 })('reads single pages, and both agree on it', given => {
    const restore = restoreOf(given)
    const naive = runNaively(restore)
    expect(naive.machine.rules).toContain('map: too many misses')
    expect(runFast(restore).outcome).toStrictEqual(naive.outcome)
  })
})

describe('a burst that runs on through accessible pages', () => {
  property.prop([anyRestore], { numRuns: 400 })(
    'ends when one burst an access would, while no core is short',
    given => {
      const shares = { threadAlonePerMille: 1000, threadAllPerMille: 1000, kernelBesidePerMille: 1000 }
      const restore = restoreOf({ ...given, host: { ...given.host, cores: 64, ...shares } })
      expect(runFast(restore).outcome).toStrictEqual(runNaively(restore, { burstPerAccess: true }).outcome)
    },
    PATIENCE_MS,
  )
})
