/** The command that the dashboard shows does what the experiment does. */
import { execFileSync } from 'node:child_process'
import { fc, it as property } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import { type CommandFacts, compareCommand, quote } from '../../../server/web/cli-command.ts'
import { axesOf, BLANK, commandFactsOf, problemOf, requestOf } from '../../../server/web/form/draft.ts'
import { PRESETS } from '../../../server/web/form/presets.ts'
import { sliceAt } from '../../../server/web/slices.ts'

const FACTS: CommandFacts = {
  snapshot: 'synthetic:1GiB,zero=60%',
  policies: ['eager', 'lazy-sweep:rate=100MiB'],
  engine: 'sim',
  seed: 1,
  fixedNs: 8e6,
  recording: null,
  hasProfile: false,
}
const SLICE = { repetition: 0, workload: 'working-set:share=5%', storage: 'nvme', layout: '4K' }

describe('the equivalent command', () => {
  it('leaves out what the command line has as its default', () => {
    expect(compareCommand(FACTS, SLICE)).toBe(
      'npx lazyrestore compare synthetic:1GiB,zero=60% \\\n  --policies eager,lazy-sweep:rate=100MiB \\\n  --workload working-set:share=5%',
    )
  })

  it('has everything else', () => {
    const facts = { ...FACTS, policies: null, engine: 'kvm' as const, seed: 5, fixedNs: 1500, hasProfile: true }
    const slice = { repetition: 2, workload: 'my trace.lrtrace', storage: 'host:cache=warm', layout: 'm0=2M:hugetlb' }
    expect(compareCommand({ ...facts, recording: 'r.lrtrace' }, slice).replaceAll(' \\\n ', '')).toBe(
      "npx lazyrestore compare synthetic:1GiB,zero=60% --workload 'my trace.lrtrace' --recording r.lrtrace " +
        '--storage host:cache=warm --host-page-size m0=2M:hugetlb --engine kvm --fixed 1500ns --seed 7 --profile profile.json',
    )
  })

  it('says host where a real engine would say nothing else', () => {
    const facts = { ...FACTS, engine: 'uffd' as const }
    expect(compareCommand(facts, { ...SLICE, storage: 'host' })).not.toContain('--storage')
    expect(compareCommand(facts, SLICE)).toContain('--storage nvme')
  })

  property.prop([fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 6 })], { numRuns: 20 })(
    'is read by a shell word for word',
    words => {
      const given = words.map(word => word.replaceAll('\0', ''))
      const line = ['printf', '%s\\0', '.', ...given].map(quote).join(' ')
      expect(execFileSync('/bin/sh', ['-c', line], { encoding: 'utf8' }).split('\0').slice(1, -1)).toEqual(given)
    },
  )
})

describe('the form', () => {
  it.each(PRESETS.map(preset => [preset.id, preset] as const))('preset %s can be sent as it is', (_, { draft }) => {
    expect(problemOf(draft)).toBeNull()
    const request = requestOf(draft, draft.snapshot)
    expect(request).toMatchObject({ snapshot: draft.snapshot, engine: 'sim', repetitions: 1, fixedNs: 8e6 })
    expect(request.workloads.length * request.storages!.length * request.layouts!.length).toBeLessThanOrEqual(100)
  })

  it('leaves out of the request what is not given, and fills in the axes', () => {
    expect(requestOf(BLANK, 'synthetic:1GiB,zero=60%')).not.toHaveProperty('policies')
    expect(requestOf(BLANK, 'x')).not.toHaveProperty('name')
    expect(axesOf({ ...BLANK, engine: 'kvm' }).storages).toEqual(['host'])
  })

  it('says what is missing', () => {
    expect(problemOf({ ...BLANK, workloads: [] })).toMatch(/workload/)
    expect(problemOf({ ...BLANK, repetitions: Number.NaN })).toMatch(/Repetitions/)
    expect(problemOf({ ...BLANK, snapshotKind: 'path', snapshot: ' ' })).toMatch(/snapshot/)
    expect(problemOf({ ...BLANK, fixedMs: Number.NaN })).toMatch(/Fixed/)
  })

  it('shows a registered snapshot by its name', () => {
    const registered = [{ id: 'snap_1', name: 'vm.mig' }] as unknown as Parameters<typeof commandFactsOf>[1]
    const draft = { ...BLANK, snapshotKind: 'registered' as const, snapshot: 'snap_1' }
    const command = compareCommand(commandFactsOf(draft, registered), sliceAt(axesOf(draft), 0))
    expect(command).toBe('npx lazyrestore compare vm.mig \\\n  --workload working-set')
  })
})
