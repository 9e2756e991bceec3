/** Whether an experiment can be done at all, before it is accepted: every spec is read, nothing is restored. */
import {
  createPolicy,
  deviceOf,
  hostStorage,
  type Layout,
  LazyRestoreError,
  POLICIES,
  parseSpec,
  parseSpecList,
  parseStorage,
  resolveOptions,
  WORKLOADS,
} from 'lazyrestore'
import { describeEngines } from './inspect.ts'
import type { ExperimentCheck, JobLimits, WorkloadSource } from './job.ts'
import { profileOf } from './run-cell.ts'
import type { Sources } from './sources.ts'

/** @returns the policies: those named, or all that one of the layouts can carry */
export async function checkExperiment(check: ExperimentCheck, sources: Sources, limits: JobLimits): Promise<string[]> {
  const device = deviceOf(profileOf(check.profile))
  for (const text of check.storages) {
    if (check.engine === 'sim') parseStorage(text, device)
    else hostStorage(text)
  }
  const engine = describeEngines().find(({ name }) => name === check.engine)
  if (engine?.missing) throw new LazyRestoreError('unsupported', `engine ${check.engine}: ${engine.missing}`)
  const snapshot = await sources.snapshot(check.snapshot, limits)
  const layouts: Layout[] = []
  for (const text of check.layouts) layouts.push(await sources.layout(check.snapshot, text, limits))
  for (const source of check.workloads) await checkWorkload(source)
  if (check.recording !== null) await checkWorkload(check.recording)
  const names = check.policies ?? POLICIES.map(({ name }) => name)
  const carried = names.filter(text => checkPolicy(text, layouts))
  return check.policies === null ? carried : [...check.policies]

  async function checkWorkload(source: WorkloadSource): Promise<void> {
    if (source.kind === 'trace') {
      await sources.workload(source, snapshot, 0, limits)
      return
    }
    const spec = parseSpec(source.spec)
    const definition = WORKLOADS.find(({ name }) => name === spec.name)
    if (definition === undefined || spec.positional !== null) {
      const known = WORKLOADS.map(({ name }) => name).join(', ')
      throw new LazyRestoreError(
        'usage',
        `workload: found "${source.spec}", expected the id of a trace, or one of ${known}`,
      )
    }
    resolveOptions(spec, definition.options)
  }
}

/** Whether one of the layouts can carry the policy. @throws LazyRestoreError `usage` for a policy that is none */
function checkPolicy(text: string, layouts: readonly Layout[]): boolean {
  const [spec, ...more] = parseSpecList(text)
  if (more.length > 0) throw new LazyRestoreError('usage', `policies: found "${text}", expected one policy an entry`)
  return layouts.some(layout => {
    try {
      createPolicy(spec, { layout, workingSet: new Uint32Array(0) })
      return true
    } catch (error) {
      if (error instanceof LazyRestoreError && error.code === 'mismatch') return false
      throw error
    }
  })
}
