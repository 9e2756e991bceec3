/** Who finishes the work first, in a sentence. */
import { duration, factor } from '../format.ts'

interface Finisher {
  readonly label: string
  readonly result: { readonly workDoneNs: number }
}

/** Times that read alike are alike. Empty with fewer than two. */
export function leadOf(series: readonly Finisher[]): string {
  if (series.length < 2) return ''
  const [first, ...others] = [...series].sort((a, b) => a.result.workDoneNs - b.result.workDoneNs)
  const time = duration(first.result.workDoneNs)
  const next = others.find(({ result }) => duration(result.workDoneNs) !== time)
  if (next === undefined) return `All finish the work after ${time}.`
  const alike = others.indexOf(next)
  const who = alike === 0 ? `${first.label} finishes` : `${first.label} and ${alike} more finish`
  return `${who} the work first, ${factor(next.result.workDoneNs / first.result.workDoneNs)} sooner than ${next.label}.`
}
