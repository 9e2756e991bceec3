/** What a policy plans, as lists that a test can compare. */
import { parseSpec } from '../../src/core/spec-string.ts'
import type { Layout } from '../../src/destination/layout.ts'
import { Plan } from '../../src/policy/plan.ts'
import type { InstallMethod, Policy } from '../../src/policy/policy.ts'
import { createPolicy, POLICIES } from '../../src/policy/registry.ts'
import { layoutOfBits } from '../destination/layout-of-bits.ts'

/** First host page, host pages, and the place in the working-set file if it comes from there. */
export type PlannedRun = [first: number, count: number] | [first: number, count: number, fileOffset: number]

export function policyOf(spec: string, layout: Layout, workingSet: readonly number[] | null = null): Policy {
  return createPolicy(parseSpec(spec), {
    layout,
    workingSet: workingSet === null ? null : Uint32Array.from(workingSet),
  })
}

/** Its last page is zero: who stops behind the last one with data does not fill it. */
const ANY_LAYOUT = layoutOfBits({ bits: '10110' })

/** How the policy of that name, with no option given, gets pages into memory. */
export function installOf(name: string): InstallMethod {
  return policyOf(name, ANY_LAYOUT, []).mechanism.install
}

/** Policies by their way of installing. */
export function policiesThat(install: InstallMethod): string[] {
  return POLICIES.map(({ name }) => name).filter(name => installOf(name) === install)
}

/** Whether it plans all of memory by itself, before the VM runs or in the background. */
export function fillsMemory(spec: string): boolean {
  const policy = policyOf(spec, ANY_LAYOUT, [])
  const planned = [...allPlans(policy.begin), ...allPlans(policy.next)].flat()
  const pages = planned.flatMap(([first, count]) => Array.from({ length: count }, (_, i) => first + i))
  return new Set(pages).size === ANY_LAYOUT.hostPageCount
}

function runsOf(plan: Plan): PlannedRun[] {
  return Array.from({ length: plan.length }, (_, i) => {
    const { first, count, sourceOffset } = plan
    return sourceOffset[i] < 0 ? [first[i], count[i]] : [first[i], count[i], sourceOffset[i]]
  })
}

export function onFault(policy: Policy, page: number): PlannedRun[] {
  const plan = new Plan(64)
  policy.onFault(page, plan)
  return runsOf(plan)
}

/** The next plan of a worker; empty when there is no more to do. */
export function nextPlan(policy: Policy): PlannedRun[] {
  const plan = new Plan(8)
  policy.next?.(plan)
  return runsOf(plan)
}

/** Every plan until there are no more; each is asked for with the same, cleared, Plan. */
export function allPlans(ask: ((plan: Plan) => void) | undefined, capacity = 1024): PlannedRun[][] {
  const plans: PlannedRun[][] = []
  const plan = new Plan(capacity)
  for (;;) {
    plan.clear()
    ask?.(plan)
    if (plan.length === 0) return plans
    plans.push(runsOf(plan))
  }
}
