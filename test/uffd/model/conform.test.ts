/** How cases are read, run, judged, pruned and reported, on kernels that answer from a list. */
import { describe, expect, it } from 'vitest'
import { LazyRestoreError } from '../../../src/core/error.ts'
import { expectedAnswer, parseCases } from '../../../src/uffd/model/conform/case-file.ts'
import {
  type ConformKernel,
  compareScript,
  runCases,
  type ScriptAnswers,
} from '../../../src/uffd/model/conform/conform.ts'
import { hostKernel, hostProblem } from '../../../src/uffd/model/conform/host-kernel.ts'
import { modelConformKernel, runOnModel } from '../../../src/uffd/model/conform/model-conform-kernel.ts'
import { pruneScript } from '../../../src/uffd/model/conform/prune.ts'
import { randomScript } from '../../../src/uffd/model/conform/random-script.ts'
import { createReport, describeReport } from '../../../src/uffd/model/conform/report.ts'
import { requireOrSkip } from '../../support/availability.ts'

const HEADER = 'case\tprepare\toperation\texpect\t7.3'
const TEXT = [
  '# a comment',
  HEADER,
  '',
  'first\tmap a anon 4; open u\tregister u a.0 4 missing\tok 0x13c',
  '\tpoison u a.0 1\tcopy u a.0 1\tdone 1\tEEXIST',
  'second\t\tcreate u\tok',
].join('\n')

function answering(name: string, answers: readonly string[], stopped: ScriptAnswers['stopped'] = null): ConformKernel {
  return { name, run: async () => ({ answers, stopped }), close: async () => {} }
}

describe('a case file', () => {
  it('has a case for each name, with the rows below it', () => {
    const cases = parseCases(TEXT, 'x.tsv')
    expect(cases.map(({ name, source, steps }) => [name, source, steps.map(({ line }) => line)])).toEqual([
      ['first', 'x.tsv', [4, 5]],
      ['second', 'x.tsv', [6]],
    ])
    const [, step] = cases[0].steps
    expect(step.prepare).toEqual(['poison u a.0 1'])
    expect([expectedAnswer(step, '6.18'), expectedAnswer(step, '7.3')]).toEqual(['done 1', 'EEXIST'])
    expect(cases[1].steps[0].prepare).toEqual([])
  })

  it.each([
    ['', 'x.tsv: found no header, expected case, prepare, operation, expect'],
    ['case\tprepare', 'x.tsv:1: found column "", expected "operation"'],
    ['case\tprepare\toperation\texpect\t5.4', 'x.tsv:1: found column "5.4", expected one of 6.12, 6.18, 7.3'],
    [`${HEADER}\n\topen u\tread u\tempty`, 'x.tsv:2: found a row without a case, expected a name in the first one'],
    [`${HEADER}\nname\topen u`, 'x.tsv:2: found 2 cells, expected case, prepare, operation, expect'],
    [`${HEADER}\na\tb\tc\td\te\tf`, 'x.tsv:2: found 6 cells, expected as many as the header'],
  ])('%j is refused', (text, message) => {
    expect(() => parseCases(text, 'x.tsv')).toThrow(new LazyRestoreError('format', message))
  })
})

describe('an operation', () => {
  it.each([
    ['jump u', 'found jump, expected one of map, protect'],
    ['map a swap 4', 'found swap, expected one of anon, thp'],
    ['map 4 anon 4', 'found 4, expected the name of an area'],
    ['map a anon', 'found nothing, expected a number of pages'],
    ['copy u a.0 1', 'found u, expected one of the userfaultfds'],
    ['fork t', 'found nothing, expected the name of a child'],
    ['touch t 0x1000 look', 'found look, expected read or write'],
    ['touch t b.0 read', 'found b, expected one of the areas src, bigsrc'],
    ['touch t here read', 'found here, expected an address such as a.2'],
    ['open u all', 'found all, expected one of event-fork'],
    ['adopt u', 'found no FORK message, expected one read before'],
  ])('%s is refused, with what would do', (operation, message) => {
    expect(() => runOnModel([operation])).toThrow(`operation "${operation}": ${message}`)
  })

  it('that is wrong in a case is refused with its place', async () => {
    const cases = parseCases(`${HEADER}\nname\t\tjump u\tok`, 'x.tsv')
    await expect(runCases(cases, [modelConformKernel()], '6.18')).rejects.toThrow('x.tsv:2: operation "jump u"')
  })
})

describe('kernels agree', () => {
  const cases = parseCases(`${HEADER}\nname\topen u; poll u\tread u\tempty`, 'x.tsv')
  const stateOf = async (...kernels: ConformKernel[]) => (await runCases(cases, kernels, '6.18'))[0].state

  it('when all answer as expected', async () => {
    expect(await stateOf(answering('a', ['ok', 'x', 'empty']), answering('b', ['ok', 'x', 'empty']))).toBe('agrees')
  })
  it('not when one answers otherwise, an operation without expectation included', async () => {
    expect(await stateOf(answering('a', ['ok', 'x', 'empty']), answering('b', ['ok', 'x', 'full']))).toBe('differs')
    expect(await stateOf(answering('a', ['ok', 'x', 'empty']), answering('b', ['ok', 'y', 'empty']))).toBe('differs')
  })
  it('not when all fail to prepare', async () => {
    expect(await stateOf(answering('a', ['EPERM', 'x', 'empty']), answering('b', ['EPERM', 'x', 'empty']))).toBe(
      'differs',
    )
  })
  it('not when one hangs', async () => {
    const hanging = answering('b', ['ok'], { kind: 'died', reason: 'hung until SIGALRM' })
    const [result] = await runCases(cases, [answering('a', ['ok', 'x', 'empty']), hanging], '6.18')
    expect(result.state).toBe('differs')
    expect(result.lines.map(({ answers }) => answers[1])).toEqual(['ok', 'hung until SIGALRM', null])
  })
  it('when one cannot run it and the others do', async () => {
    const lacking = answering('b', [], { kind: 'skipped', reason: 'no pages' })
    const [result] = await runCases(cases, [answering('a', ['ok', 'x', 'empty']), lacking], '6.18')
    expect([result.state, result.skipped]).toEqual(['agrees', [null, 'no pages']])
  })
  it('on a script without expectations, when they answer alike', async () => {
    const script = ['open u', 'read u']
    const a = answering('a', ['ok', 'EINVAL'])
    expect((await compareScript('s', script, [a, answering('b', ['ok', 'EINVAL'])])).state).toBe('agrees')
    expect((await compareScript('s', script, [a, answering('b', ['ok', 'EPERM'])])).state).toBe('differs')
  })
})

describe('a report', () => {
  it('shows the script of a difference, with what each kernel answered', async () => {
    const cases = parseCases(`${HEADER}\nname\topen u\tread u\tempty`, 'x.tsv')
    const kernels = [answering('model', ['ok', 'empty']), answering('Linux 1.0', ['ok', 'full'])]
    const results = await runCases(cases, kernels, '6.18')
    const report = createReport('6.18', ['model', 'Linux 1.0'], null, results, null)
    expect(describeReport(report).split('\n')).toEqual([
      'differs   x.tsv:2: name',
      '  open u                                    ok',
      '! read u',
      '      expected: empty',
      '      model: empty',
      '      Linux 1.0: full',
      '',
      'profile   6.18',
      'cases     0 agree, 1 differ; operations: model 2, Linux 1.0 2',
      '',
    ])
  })

  it('counts what could not be run, by reason', async () => {
    const cases = parseCases(TEXT, 'x.tsv')
    const lacking = answering('host', [], { kind: 'skipped', reason: 'no pages' })
    const results = await runCases(cases, [modelConformKernel(), lacking], '6.18')
    const report = createReport('6.18', ['model', 'host'], 'none', results, null)
    expect(report.cases).toEqual({
      agreeing: 2,
      differing: 0,
      operations: [6, 0],
      skipped: [{ kernel: 'host', reason: 'no pages', cases: 2 }],
    })
    expect(describeReport(report)).toContain('skipped   2 cases on host: no pages\nhost      not run: none\n')
  })
})

describe('a random script', () => {
  it('is the same for the same seeds, and otherwise the same without one of them', () => {
    const seeds = [7, 11, 12, 13, 14]
    const script = randomScript(seeds, true)
    expect(randomScript(seeds, true)).toEqual(script)
    expect(randomScript([7, 11, 13, 14], true)).toEqual(script.toSpliced(-6, 2))
    expect(script.slice(-8).filter(operation => operation === 'look')).toHaveLength(4)
  })

  it('has 2 MiB pages only where they may be', () => {
    const all = Array.from({ length: 50 }, (_, seed) => randomScript([seed], false)).flat()
    expect(all.filter(operation => operation.includes('huge'))).toEqual([])
  })
})

describe("the host's kernel", () => {
  it('runs on after a script that died in its child', async context => {
    requireOrSkip(context, hostProblem())
    const host = hostKernel()
    try {
      const { answers, stopped } = await host.run(['open u', 'jump'])
      expect([answers.length, stopped?.kind]).toEqual([1, 'died'])
      expect(stopped?.reason).toContain('operation "jump": found jump')
      expect(await host.run(['create u', 'read u'])).toEqual({ answers: ['ok', 'EINVAL'], stopped: null })
    } finally {
      await host.close()
    }
  })
})

describe('the model', () => {
  it('skips a script with something that the real kernel never ends', () => {
    const spins = ['map a hugetlb 2', 'open u', 'register u a.0 2 wp', 'touch t a.0 write', 'writeprotect u a.0 1 wp']
    const { stopped } = runOnModel([...spins, 'register u a.0 2 missing', 'touch t a.0 write'])
    expect(stopped).toEqual({ kind: 'skipped', reason: expect.stringContaining('where the mode WP was dropped') })
  })
})

describe('pruning', () => {
  it('leaves out what depends on which of two threads runs first', () => {
    const before = [
      'map a anon 4',
      'open u thread-id',
      'register u a.0 4 missing',
      'touch t1 a.0 read',
      'touch t2 a.0 read',
      'wake u a.0 1',
    ]
    const { script } = pruneScript([...before, 'read u', 'count u'])
    expect(script).toEqual([...before, 'count u'])
  })

  it('leaves out what is not modelled', () => {
    const { script, answers } = pruneScript(['map a anon 4', 'map b anon 4', 'mremap t a.0 20000 4', 'pages a'])
    expect(script).toEqual(['map a anon 4', 'map b anon 4', 'pages a'])
    expect(answers).toEqual(['ok', 'ok', '....'])
  })

  it('leaves out what is not modelled when all is closed', () => {
    const before = ['map a hugetlb 2', 'open u', 'register u a.0 2 wp', 'touch t a.0 write', 'writeprotect u a.0 1 wp']
    const { script } = pruneScript([...before, 'touch w a.0 write', 'register u a.0 2 missing'])
    expect(script).toEqual([...before, 'touch w a.0 write'])
  })
})
