/** Random operations on the model and on this host's kernel: answers, out fields, wakes, messages, counters, memory. */
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { HUGE_PAGES_NEEDED, hostLacks } from '../../../src/uffd/model/conform/host-files.ts'
import { hostKernel, hostProblem, hostProfile } from '../../../src/uffd/model/conform/host-kernel.ts'
import { comparePruned, countOperations } from '../../../src/uffd/model/conform/random-run.ts'
import { randomScript } from '../../../src/uffd/model/conform/random-script.ts'
import { createReport, describeReport } from '../../../src/uffd/model/conform/report.ts'
import { HUGE_PAGE_SIZE } from '../../../src/uffd/model/numbers.ts'
import { requireOrSkip } from '../../support/availability.ts'
import { reserveHugePages } from '../../support/huge-pages.ts'

const LEAST_OPERATIONS = 5000
const LENGTH = 40
/** Operations of a script on average, its setup among them; fast-check draws lengths from 1 on. */
const MEAN_OPERATIONS = 27
/** Some ten seconds on a machine that does nothing else. */
const LIMIT_MS = 180_000

/** The first seed is the setup's, the others one operation's each: leaving one out leaves the rest as it is. */
const seeds = fc
  .tuple(
    fc.integer({ min: 0, max: 2 ** 31 }),
    fc.array(fc.integer({ min: 0, max: 2 ** 31 }), { minLength: 1, maxLength: LENGTH, size: 'max' }),
  )
  .map(([setup, operations]) => [setup, ...operations])

describe('random operations', () => {
  reserveHugePages(HUGE_PAGE_SIZE, HUGE_PAGES_NEEDED + 4)
  const host = hostKernel()
  afterAll(() => host.close())

  it(
    `${LEAST_OPERATIONS} and more have the same answers from the model and from the kernel`,
    async context => {
      requireOrSkip(context, hostProblem())
      const profile = hostProfile()
      const lacking = hostLacks('hugetlb')
      let operations = 0
      const compare = async (script: readonly string[]) => {
        const result = await comparePruned('a random script', script, host, profile)
        operations += countOperations(result)
        if (result.state === 'agrees') return
        throw new Error(describeReport(createReport(profile, ['model', host.name], null, [result], null)))
      }
      // fast-check prints seed and path of what fails, and the shortest script that does.
      const property = fc.asyncProperty(seeds, drawn => compare(randomScript(drawn, lacking === null)))
      while (operations < LEAST_OPERATIONS) {
        const numRuns = Math.ceil((LEAST_OPERATIONS - operations) / MEAN_OPERATIONS)
        await fc.assert(property, { numRuns, interruptAfterTimeLimit: LIMIT_MS / 2, markInterruptAsFailure: true })
      }
      expect(operations).toBeGreaterThanOrEqual(LEAST_OPERATIONS)
      requireOrSkip(context, lacking)
    },
    LIMIT_MS,
  )
})
