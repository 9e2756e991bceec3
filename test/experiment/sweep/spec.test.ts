/** The spec of a sweep: what it accepts, and what it says of what it does not. */
import { describe, expect, it } from 'vitest'
import { parseSweepSpec } from '../../../src/experiment/sweep/read-spec.ts'

const VALID = `
name: read-around against a sweep
cell:
  snapshot: synthetic:{size},zero={zero}
  workload: working-set:share={share},vcpus={vcpus}
  policy: "{policy}"
grid:
  policy: [lazy, "read-around:window=64KiB"]
  vcpus: [1, 2]
  size: {from: 16MiB, to: 64MiB, scale: log, points: 3}
latinHypercube:
  points: 5
  of:
    zero: {from: 10%, to: 90%}
    share: {from: 1%, to: 50%, scale: log}
repetitions: 2
seed: 7
`

describe('the spec of a sweep', () => {
  it('is YAML, with a part for each variable of the grid and one for the draws', async () => {
    const { name, parts, repetitions, seed, cell, engine } = await parseSweepSpec(VALID, 'a.yaml')
    expect({ name, repetitions, seed, engine }).toEqual({
      name: 'read-around against a sweep',
      repetitions: 2,
      seed: 7,
      engine: 'sim',
    })
    expect(cell.storage).toBe('nvme')
    expect(parts.map(({ variables, points }) => [variables, points.length])).toEqual([
      [['policy'], 2],
      [['vcpus'], 2],
      [['size'], 3],
      [['zero', 'share'], 5],
    ])
    expect(parts[2].points).toEqual([{ size: '16777216' }, { size: '33554432' }, { size: '67108864' }])
  })

  it('is JSON too', async () => {
    const { parts } = await parseSweepSpec(
      JSON.stringify({ list: [{ policy: 'lazy' }, { policy: 'eager' }] }),
      'a.json',
    )
    expect(parts).toEqual([{ variables: ['policy'], points: [{ policy: 'lazy' }, { policy: 'eager' }] }])
  })

  const one = 'grid: {policy: [lazy]}'
  it.each([
    ['{', /^a\.yaml: line 1, column 2: /],
    ['[]', /^a\.yaml: found a list of 0, expected an object$/],
    [`${one}\npolicys: [lazy]`, /^a\.yaml: found field "policys", expected only name, cell,/],
    [`${one}\nseed: -1`, /^a\.yaml: field seed: found -1, expected a whole number from 0/],
    [`${one}\nrepetitions: 1.5`, /field repetitions: found 1.5/],
    [`${one}\nengine: qemu`, /field engine: found "qemu", expected one of sim, uffd, kvm/],
    [`${one}\ncell: {polcy: lazy}`, /^a\.yaml: cell: found field "polcy", expected only snapshot,/],
    [`${one}\ncell: {snapshot: 5}`, /^a\.yaml: cell: field snapshot: found 5, expected text/],
    ['grid: {policy: []}', /^a\.yaml: grid\.policy: found no value/],
    ['grid: {policy: lazy}', /^a\.yaml: grid\.policy: found "lazy", expected a list of values or a range/],
    ['grid: {policy: [[lazy]]}', /^a\.yaml: grid\.policy\[0\]: found a list of 1, expected a text or a number/],
    ['grid: {policy: {from: 1, to: 2}}', /^a\.yaml: grid\.policy: found no field points/],
    [
      'grid: {policy: {from: 1, points: 2}}',
      /^a\.yaml: grid\.policy: found no field to, expected a number with a unit/,
    ],
    ['grid: {policy: {from: 2, to: 1, points: 2}}', /^a\.yaml: grid\.policy\.to: found 1, expected more than 2/],
    ['grid: {policy: {from: 1ms, to: 2MiB, points: 2}}', /^a\.yaml: grid\.policy\.to: found bytes, expected ns/],
    [
      'grid: {policy: {from: 0, to: 1, scale: log, points: 2}}',
      /^a\.yaml: grid\.policy\.from: found 0, expected more than 0/,
    ],
    ['grid: {policy: {from: 10%, to: 120%, points: 2}}', /^a\.yaml: grid\.policy\.to: share: found "120%"/],
    [
      'grid: {policy: {from: x, to: 2, points: 2}}',
      /^a\.yaml: grid\.policy\.from: found "x", expected a number with a unit/,
    ],
    ['list: [{policy: lazy}, {polcy: lazy}]', /^a\.yaml: list\[1\]: found polcy, expected policy as in row 0/],
    [`${one}\nrandom: {points: 5}`, /^a\.yaml: random: found no field of/],
    [`${one}\nrandom: {points: 0, of: {}}`, /^a\.yaml: random: field points: found 0/],
    [`${one}\nrandom: {points: 1, of: {}}`, /^a\.yaml: random\.of: found no variable/],
    [`${one}\nlist: [{policy: eager}]`, /^a\.yaml: found variable policy varied twice/],
    ['seed: 1', /^a\.yaml: found \{policy\} in a text of cell, expected a variable that is varied \(none\)/],
    [`grid: {policy: [lazy], x: [1]}`, /^a\.yaml: found variable x varied, expected \{x\} in a text of cell/],
  ])('%j is refused with its place', async (text, message) => {
    await expect(parseSweepSpec(text, 'a.yaml')).rejects.toThrow(message)
  })

  it('does not follow aliases that grow without end', async () => {
    const bomb = `a: &a [x, x, x, x, x, x, x, x, x, x]\n${Array.from({ length: 9 }, (_, i) => {
      const [name, before] = [String.fromCharCode(98 + i), String.fromCharCode(97 + i)]
      return `${name}: &${name} [${Array.from({ length: 10 }, () => `*${before}`).join(', ')}]`
    }).join('\n')}`
    await expect(parseSweepSpec(bomb, 'a.yaml')).rejects.toThrow(/^a\.yaml: /)
  })
})
