/**
 * The simulator and the real engine's handlers and workers install the same pages in the same order. Only where no timing
 * comes in can that be asked for: one vCPU whose faults nothing else happens beside, what is loaded before it runs, and
 * the background work of one worker alone. The kernel is the model's.
 */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect } from 'vitest'
import type { Layout } from '../../../src/destination/layout.ts'
import type { Mechanism } from '../../../src/policy/policy.ts'
import { DEFAULT_HOST_PROFILE, hostCosts } from '../../../src/sim/host-profile.ts'
import { simulate } from '../../../src/sim/simulate.ts'
import { PHASE_RUN } from '../../../src/uffd/engine/restore-state.ts'
import { policyOf } from '../../policy/plans.ts'
import { DEVICE, workloadOf } from '../../sim/worked-by-hand.ts'
import { createModelRestore, UFFD_POLICIES } from './model-support.ts'
import { Sleeper } from './sleepers.ts'

type Installs = (readonly [first: number, count: number])[]

const VARIANTS = [
  ...UFFD_POLICIES,
  'lazy-sweep:chunk=20K',
  'follow-sweep:chunk=12K',
  'fault-around:pages=8',
  'stride:depth=3',
  'precopy-x:share=30%,sweep=false',
  'working-set:wait=true,read=8K',
  'criu:window=8K,most=16K',
]

const given = fc.record({
  bits: fc
    .array(fc.boolean(), { minLength: 20, maxLength: 120 })
    .map(list => list.map(bit => (bit ? '1' : '0')).join('')),
  /** Steps from one access to the next: runs and strides among them. */
  steps: fc.array(
    fc.oneof(fc.constant([1, 6]), fc.constant([3, 5]), fc.tuple(fc.integer({ min: -60, max: 60 }), fc.constant(1))),
    { maxLength: 12 },
  ),
  recorded: fc.uniqueArray(fc.nat(1000), { maxLength: 40 }),
})

function pagesOf(steps: readonly (readonly number[])[], count: number): number[] {
  const pages: number[] = []
  let page = 7
  for (const [step, times] of steps) {
    for (let i = 0; i < times; i++) {
      page = (((page + step) % count) + count) % count
      pages.push(page)
    }
  }
  return pages
}

/** What the simulator installs: one vCPU that reads the pages in turn, and so many workers. */
function simulated(
  spec: string,
  layout: Layout,
  recorded: readonly number[],
  pages: readonly number[],
  change: Partial<Mechanism>,
): Installs {
  const installs: Installs = []
  const policy = policyOf(spec, layout, recorded)
  const workload = workloadOf(layout, [pages.map(page => ({ page, think: 1_000_000 }))])
  simulate({
    layout,
    policy: { ...policy, mechanism: { ...policy.mechanism, ...change } },
    workload,
    hostPage: workload.page,
    storage: { name: 'nvme', device: DEVICE, cacheWarm: true },
    costs: hostCosts(DEFAULT_HOST_PROFILE),
    fixedNs: 0,
    seed: 1,
    observer: { installed: (_operation, first, count) => void installs.push([first, count]) },
  })
  return installs
}

describe.each(VARIANTS)('%s', spec => {
  // How far `adaptive` reads around a fault goes by what its answers took.
  const answersAsSimulated = spec === 'adaptive' ? property.skip : property
  answersAsSimulated.prop([given], { numRuns: 8 })(
    'answers faults as in the simulator',
    async ({ bits, steps, recorded }) => {
      const list = [...new Set(recorded.map(draw => draw % bits.length))]
      const pages = pagesOf(steps, bits.length)
      const restore = await createModelRestore({ blocks: [{ bits }], policy: spec, workingSet: list })
      const [handler] = restore.handlers
      restore.state.enter(PHASE_RUN)
      for (const page of pages) {
        const sleeper = new Sleeper(restore, page)
        while (sleeper.thread.blocked) handler.step(0)
      }
      expect(restore.installs).toEqual(simulated(spec, restore.layout, list, pages, { workers: 0, handlers: 1 }))
    },
  )

  property.prop([given], { numRuns: 4 })('loads and fills as in the simulator', async ({ bits, recorded }) => {
    const list = [...new Set(recorded.map(draw => draw % bits.length))]
    const restore = await createModelRestore({ blocks: [{ bits }], policy: spec, workingSet: list })
    const [worker] = restore.workers
    worker?.begin()
    restore.state.enter(PHASE_RUN)
    worker?.fill()
    const workers = worker === undefined ? 0 : 1
    expect(restore.installs).toEqual(simulated(spec, restore.layout, list, [], { workers }))
  })
})
