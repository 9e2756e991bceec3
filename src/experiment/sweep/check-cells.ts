/** Whether the cells of a sweep can be done, as far as their texts say: each that differs is read once, nothing is restored. */
import { LazyRestoreError } from '../../core/error.ts'
import { parseSpec, parseSpecList, resolveOptions } from '../../core/spec-string.ts'
import { parseDurationNs } from '../../core/units.ts'
import { parseHostPages } from '../../destination/host-pages.ts'
import { checkPolicySpec } from '../../policy/registry.ts'
import { deviceOf, type HostProfile, withCores } from '../../sim/host-profile.ts'
import { parseStorage } from '../../storage/device.ts'
import { hostStorage } from '../../storage/host-storage.ts'
import { WORKLOADS } from '../../workload/registry.ts'
import { sweepCells } from './cells.ts'
import { CELL_TEXTS, type CellText, type SweepSpec } from './spec.ts'

/** Texts of drawn variables are mostly different from each other; so many of a kind are looked at. */
const MOST_TEXTS = 4096

/**
 * @param where what the spec is called in messages, its file
 * @returns what snapshots and workloads are named
 * @throws LazyRestoreError `usage` with the field for the first text that is wrong
 */
export function checkSweepCells(
  spec: SweepSpec,
  profile: HostProfile,
  where: string,
): { snapshots: Set<string>; workloads: Set<string> } {
  const { snapshot, layout, workload, storage, policy, cores } = distinctTexts(spec)
  parseDurationNs(spec.fixed, `${where}: fixed`)
  const device = deviceOf(profile)
  const checkField = (name: CellText, texts: Set<string>, check: (text: string) => void): void => {
    for (const text of texts) atField(`${where}: cell`, name, () => check(text))
  }
  checkField('storage', storage, text => (spec.engine === 'sim' ? parseStorage(text, device) : hostStorage(text)))
  checkField('layout', layout, parseHostPages)
  checkField('policy', policy, checkPolicy)
  checkField('workload', workload, checkWorkload)
  checkField('cores', cores, text => text !== '' && withCores(profile, text, 'cores'))
  return { snapshots: snapshot, workloads: workload }
}

/** Puts the place in front of what is wrong with a text, which often begins with the field's name itself. */
function atField(where: string, name: CellText, check: () => void): void {
  try {
    check()
  } catch (cause) {
    if (!(cause instanceof LazyRestoreError)) throw cause
    const { code, message } = cause
    const place = message.startsWith(`${name}: `) ? where : `${where}: ${name}`
    throw new LazyRestoreError(code, `${place}: ${message}`, { cause })
  }
}

function distinctTexts(spec: SweepSpec): Record<CellText, Set<string>> {
  const texts = Object.fromEntries(CELL_TEXTS.map(name => [name, new Set<string>()])) as Record<CellText, Set<string>>
  const { count, at } = sweepCells(spec)
  for (let index = 0; index < count; index++) {
    const cell = at(index)
    for (const name of CELL_TEXTS) if (texts[name].size < MOST_TEXTS) texts[name].add(cell[name])
  }
  return texts
}

function checkPolicy(text: string): void {
  const [policy, ...more] = parseSpecList(text)
  if (more.length > 0) throw new LazyRestoreError('usage', `policy: found "${text}", expected one policy a cell`)
  checkPolicySpec(policy)
}

/** A name that no generator has is a trace file. */
function checkWorkload(text: string): void {
  const name = text.split(':')[0].trim()
  const definition = WORKLOADS.find(one => one.name === name)
  if (definition !== undefined) resolveOptions(parseSpec(text), definition.options)
}
