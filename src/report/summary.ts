/** What all renderings of a comparison share: the facts that hold for every row, and the sentences that sum it up. */
import { formatBytes, formatCount, formatDurationNs } from '../core/units.ts'
import type { RestoreResult } from '../engine/result.ts'

/** What does not differ between the rows of one comparison, label and value. */
export function comparisonFacts([first]: readonly RestoreResult[]): [label: string, value: string][] {
  const { snapshot, workload, storage, layout, engine, seed, fixedNs, bytesTouched } = first
  const vcpus = workload.vcpus === 1 ? '1 vCPU' : `${workload.vcpus} vCPUs`
  return [
    ['snapshot', `${snapshot.name} (${formatBytes(snapshot.bytes)})`],
    [
      'workload',
      `${workload.name}: ${vcpus}, ${formatCount(workload.accesses)} accesses to ${formatBytes(bytesTouched)}`,
    ],
    ['storage', storage],
    ['memory', layout],
    ['engine', `${engine}, seed ${seed}; ${formatDurationNs(fixedNs)} of each resume is fixed`],
  ]
}

/** One or two sentences: who finishes the work first and by how much, and what the quickest resume is worth. */
export function conclusions(results: readonly RestoreResult[]): string[] {
  if (results.length < 2) return []
  const byWork = [...results].sort((a, b) => a.workDoneNs - b.workDoneNs)
  const [best, last] = [byWork[0], byWork[byWork.length - 1]]
  const factor = (last.workDoneNs / best.workDoneNs).toFixed(1)
  const sentences = [
    `${best.policy} finishes the work first: ${formatDurationNs(best.workDoneNs)}, ${factor} × sooner than ${last.policy} (${formatDurationNs(last.workDoneNs)}).`,
  ]
  const quickest = Math.min(...results.map(({ resumeNs }) => resumeNs))
  if (best.resumeNs > quickest) {
    const first = byWork.find(({ resumeNs }) => resumeNs === quickest)!
    sentences.push(
      `${first.policy} lets the VM run first, after ${formatDurationNs(quickest)}, and finishes the work after ${formatDurationNs(first.workDoneNs)}.`,
    )
  }
  return sentences
}
