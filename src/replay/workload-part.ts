/** Tells a replay a workload part by part, of each vCPU's accesses the same share, so that none is held for long. */
import type { Workload } from '../workload/workload.ts'
import type { ReplayAnswers } from './answers.ts'
import type { FaultReplay } from './fault-replay.ts'

/** The part from `from` to `to`, of `whole`: parts that follow each other from 0 to `whole` are all of the workload. */
export function tellPart(
  replay: FaultReplay,
  { vcpus, starts, page, thinkNs, flags }: Workload,
  from: number,
  to: number,
  whole: number,
): ReplayAnswers[] {
  const answers: ReplayAnswers[] = []
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    const accesses = starts[vcpu + 1] - starts[vcpu]
    const first = starts[vcpu] + Math.floor((accesses * from) / whole)
    const end = starts[vcpu] + Math.floor((accesses * to) / whole)
    if (!(first < end)) continue
    answers.push(
      replay.access({
        length: end - first,
        page: page.subarray(first, end),
        vcpu: new Uint16Array(end - first).fill(vcpu),
        thinkNs: thinkNs.subarray(first, end),
        flags: flags.subarray(first, end),
      }),
    )
  }
  return answers
}
