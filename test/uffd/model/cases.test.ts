/**
 * The tables of docs/conform: on the model under every profile, and on this host's kernel under the profile that comes next
 * to it. A host of another version than the profiles may differ for good reasons: `lazyrestore conform` shows where.
 */
import { afterAll, describe, expect, it } from 'vitest'
import { builtInCases } from '../../../src/uffd/model/conform/built-in-cases.ts'
import { runCases, type ScriptResult } from '../../../src/uffd/model/conform/conform.ts'
import { HUGE_PAGES_NEEDED } from '../../../src/uffd/model/conform/host-files.ts'
import { hostKernel, hostProblem, hostProfile } from '../../../src/uffd/model/conform/host-kernel.ts'
import { modelConformKernel, runOnModel } from '../../../src/uffd/model/conform/model-conform-kernel.ts'
import { createReport, describeReport } from '../../../src/uffd/model/conform/report.ts'
import { HUGE_PAGE_SIZE } from '../../../src/uffd/model/numbers.ts'
import { KERNEL_PROFILES } from '../../../src/uffd/model/profile.ts'
import { requireOrSkip } from '../../support/availability.ts'
import { reserveHugePages } from '../../support/huge-pages.ts'

const TOPICS = [...new Set(builtInCases().map(({ source }) => source))]
const casesOf = (topic: string) => builtInCases().filter(({ source }) => source === topic)

/** Empty, or what `conform` would print. */
function differences(results: readonly ScriptResult[], kernels: readonly string[]): string {
  const differing = results.filter(({ state }) => state === 'differs')
  return differing.length === 0 ? '' : describeReport(createReport('6.18', kernels, null, differing, null))
}

describe('the tables', () => {
  it('are many, and have names that tell them apart', () => {
    const names = builtInCases().map(({ name }) => name)
    expect(names.length).toBeGreaterThan(600)
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  })
})

describe.each(KERNEL_PROFILES)('the model as %s', profile => {
  it.each(TOPICS)('answers as %s says', async topic => {
    const results = await runCases(casesOf(topic), [modelConformKernel({ profile })], profile)
    expect(differences(results, ['model'])).toBe('')
    expect(results.flatMap(({ skipped }) => skipped)).toEqual(results.map(() => null))
  })
})

/** Where kernels differ, once more and apart from the tables: the answers of 6.12, 6.18 and 7.3 to the last operation. */
const REGISTERED = ['map a anon 4', 'open u', 'register u a.0 4 missing']
const DIFFERENCES: readonly (readonly [what: string, script: readonly string[], answers: readonly string[]])[] = [
  ['features', ['create u', 'api u'], ['ok 0x1ffff', 'ok 0x1ffff', 'ok 0x7ffff']],
  ['UNREGISTER by another', [...REGISTERED, 'open v', 'unregister v a.0 4'], ['ok', 'EINVAL', 'EINVAL']],
  ['COPY over poison', [...REGISTERED, 'poison u a.0 1', 'copy u a.0 1'], ['done 1', 'done 1', 'EEXIST']],
  [
    'CONTINUE over poison',
    ['map a shmem 4', 'open u', 'register u a.0 4 minor', 'fill a.0 0x33', 'poison u a.0 1', 'continue u a.0 1'],
    ['done 1', 'done 1', 'EEXIST'],
  ],
  [
    'CONTINUE beyond the end of the file',
    ['map a shmem 4 file=2', 'open u', 'register u a.0 4 minor', 'continue u a.2 1'],
    ['EINVAL', 'EINVAL', 'EFAULT'],
  ],
  [
    'COPY with an empty pool',
    ['map a hugetlb-empty 1', 'open u', 'register u a.0 1 missing', 'copy u a.0 1'],
    ['ENOMEM', 'EEXIST', 'EEXIST'],
  ],
  [
    'REGISTER that drops WP',
    ['map a anon 4', 'open u', 'register u a.0 4 wp', 'register u a.0 4 missing'],
    ['ok 0x13c', 'ok 0x13c', 'EBUSY'],
  ],
]

describe('profiles', () => {
  it.each(DIFFERENCES)('%s: each answers as its kernel', (_what, script, answers) => {
    const found = KERNEL_PROFILES.map(profile => runOnModel(script, { profile }).answers.at(-1))
    expect(found).toEqual(answers)
  })

  it.each([
    ['5.15.0-91-generic', '6.12'],
    ['6.12.107', '6.12'],
    ['6.13.0', '6.18'],
    ['6.18.44-fc-v782', '6.18'],
    ['7.1.0', '6.18'],
    ['7.3.4', '7.3'],
    ['8.0.0', '7.3'],
  ] as const)('kernel %s is next to %s', (version, profile) => {
    expect(hostProfile(version)).toBe(profile)
  })
})

describe('the kernel of this host', () => {
  reserveHugePages(HUGE_PAGE_SIZE, HUGE_PAGES_NEEDED + 4)
  const host = hostKernel()
  afterAll(() => host.close())

  it.for(TOPICS)('and the model answer alike, and as %s says', async (topic, context) => {
    requireOrSkip(context, hostProblem())
    const profile = hostProfile()
    const kernels = [modelConformKernel({ profile }), host]
    const results = await runCases(casesOf(topic), kernels, profile)
    expect(differences(results, ['model', host.name])).toBe('')
    for (const reason of new Set(results.map(({ skipped }) => skipped[1]))) requireOrSkip(context, reason)
  })
})
