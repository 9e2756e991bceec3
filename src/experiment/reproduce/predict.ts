/** Predicts one row of a published table: runs its restores in virtual time, with the values of parameters put in. */
import { LazyRestoreError } from '../../core/error.ts'
import { parseSpec } from '../../core/spec-string.ts'
import { parseDurationNs } from '../../core/units.ts'
import { parseHostPages } from '../../destination/host-pages.ts'
import { createLayout, type Layout } from '../../destination/layout.ts'
import type { RestoreResult } from '../../engine/result.ts'
import { DEFAULT_HOST_PROFILE, type HostCosts, hostCosts } from '../../sim/host-profile.ts'
import { restoreInVirtualTime } from '../../sim/sim-engine.ts'
import { openSynthetic, SYNTHETIC_PREFIX } from '../../snapshot/synthetic.ts'
import { parseStorage } from '../../storage/device.ts'
import { workingSetOf } from '../../working-set/working-set.ts'
import { memoryOfSnapshot } from '../../workload/memory.ts'
import { createWorkload } from '../../workload/registry.ts'
import { spreadOverVcpus } from '../../workload/transform/spread.ts'
import type { RestoreStage, Stage, TableHost } from './tables.ts'

export type ParameterValues = Readonly<Record<string, string | number>>

/** The sum over the row's stages, in the table's unit; the median over seeds 1 to `seeds`. */
export function predictRow(
  stages: readonly Stage[],
  hosts: Readonly<Record<string, TableHost>>,
  values: ParameterValues,
  seeds: number,
): number {
  const sums = Array.from({ length: seeds }, (_, i) =>
    stages.reduce((sum, stage) => sum + predictStage(stage, hosts, values, i + 1), 0),
  )
  sums.sort((a, b) => a - b)
  return sums[(seeds - 1) >>> 1]
}

/** Names of the parameters that the stages, or their hosts, want. */
export function parametersOf(stages: readonly Stage[], hosts: Readonly<Record<string, TableHost>>): Set<string> {
  const names = new Set<string>()
  const collect = (found: unknown): void => {
    if (typeof found === 'string') for (const [, name] of found.matchAll(/\{([^{}]*)\}/g)) names.add(name)
    else if (typeof found === 'object' && found !== null) for (const one of Object.values(found)) collect(one)
  }
  for (const stage of stages) {
    collect('fixed' in stage ? stage.fixed : stage)
    if ('host' in stage) collect([hosts[stage.host].costScale, hosts[stage.host].parameters])
  }
  return names
}

function predictStage(
  stage: Stage,
  hosts: Readonly<Record<string, TableHost>>,
  values: ParameterValues,
  seed: number,
): number {
  if ('fixed' in stage) return toNumber(stage.fixed, values, 'fixed')
  const text = (template: string) => fill(template, values)
  const layout = layoutOf(text(stage.snapshot), text(stage.hostPages ?? '4K'))
  const memory = memoryOfSnapshot(layout.snapshot)
  const generated = createWorkload(text(stage.workload), memory, seed)
  const workload = stage.threads === undefined ? generated : spreadOverVcpus(generated, stage.threads)
  const recording = stage.recording === undefined ? workload : createWorkload(text(stage.recording), memory, seed)
  const result = restoreInVirtualTime(
    {
      layout,
      policy: parseSpec(text(stage.policy)),
      workload,
      storage: parseStorage(text(stage.storage)),
      workingSet: workingSetOf(layout, recording),
      seed,
      fixedNs: 0,
    },
    costsOf(hosts[stage.host], values),
  )
  return measureOf(result, stage.measure)
}

function layoutOf(snapshot: string, hostPages: string): Layout {
  if (!snapshot.startsWith(SYNTHETIC_PREFIX)) {
    throw new LazyRestoreError(
      'format',
      `snapshot: found "${snapshot}", expected ${SYNTHETIC_PREFIX}…, such as any host can make`,
    )
  }
  return createLayout(openSynthetic(snapshot), parseHostPages(hostPages))
}

function costsOf(host: TableHost, values: ParameterValues): HostCosts {
  const scale = toNumber(host.costScale, values, 'costScale')
  const costs: Record<string, number> = { ...hostCosts(DEFAULT_HOST_PROFILE) }
  for (const key of Object.keys(costs)) if (key.endsWith('Ns')) costs[key] *= scale
  for (const [key, given] of Object.entries(host.parameters)) {
    if (!Object.hasOwn(costs, key)) {
      throw new LazyRestoreError(
        'format',
        `host: found parameter ${key}, expected one of ${Object.keys(costs).join(', ')}`,
      )
    }
    costs[key] = toNumber(given, values, key)
  }
  // Whole ns, so that the sum of a run's times is exact.
  for (const key of Object.keys(costs)) costs[key] = Math.round(costs[key])
  return costs as unknown as HostCosts
}

function measureOf(result: RestoreResult, measure: RestoreStage['measure']): number {
  const { resumeNs, workDoneNs, residentNs, residency, faults } = result
  switch (measure) {
    case 'workDoneMs':
      return workDoneNs / 1e6
    case 'resumeMs':
      return resumeNs / 1e6
    case 'residentMs':
      if (residentNs !== null) return residentNs / 1e6
      throw new LazyRestoreError(
        'mismatch',
        `${result.policy}: found memory that is never all resident, expected it for residentMs`,
      )
    case 'thousandPagesPerS':
      return (faults / (workDoneNs - resumeNs)) * 1e6
  }
  const atNs = resumeNs + parseDurationNs(measure.slice(measure.indexOf(':') + 1), 'measure')
  let bytes = 0
  for (const point of residency) if (point.timeNs <= atNs) bytes = point.bytes
  return bytes / 1e6
}

function fill(template: string, values: ParameterValues): string {
  return template.replace(/\{([^{}]*)\}/g, (_, name: string) => String(parameterValue(name, values)))
}

function toNumber(given: string | number, values: ParameterValues, what: string): number {
  const number = typeof given === 'number' ? given : Number(fill(given, values))
  if (Number.isFinite(number)) return number
  throw new LazyRestoreError('format', `${what}: found "${given}", expected a number or a parameter that is one`)
}

function parameterValue(name: string, values: ParameterValues): string | number {
  if (Object.hasOwn(values, name)) return values[name]
  throw new LazyRestoreError('format', `found parameter {${name}}, expected one that the file has`)
}
