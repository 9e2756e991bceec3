/** What a policy plans, as lists that a test can compare. */
import { parseSpec } from '../../src/core/spec-string.ts'
import type { Layout } from '../../src/destination/layout.ts'
import { FROM_SNAPSHOT, Plan } from '../../src/policy/plan.ts'
import type { Policy } from '../../src/policy/policy.ts'
import { createPolicy } from '../../src/policy/registry.ts'

/** First host page, host pages, and the place in the working-set file if it comes from there. */
export type PlannedRun = [first: number, count: number] | [first: number, count: number, fileOffset: number]

export function policyOf(spec: string, layout: Layout, workingSet: readonly number[] | null = null): Policy {
  return createPolicy(parseSpec(spec), {
    layout,
    workingSet: workingSet === null ? null : Uint32Array.from(workingSet),
  })
}

function runsOf(plan: Plan): PlannedRun[] {
  return Array.from({ length: plan.length }, (_, i) => {
    const { first, count, sourceOffset } = plan
    return sourceOffset[i] === FROM_SNAPSHOT ? [first[i], count[i]] : [first[i], count[i], sourceOffset[i]]
  })
}

export function onFault(policy: Policy, page: number): PlannedRun[] {
  const plan = new Plan(8)
  policy.onFault(page, plan)
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
