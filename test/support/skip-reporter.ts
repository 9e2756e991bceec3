/** At the end of a run: what was skipped for want of what, as a summary that only counts would hide it. */
import type { Reporter, TestModule } from 'vitest/node'

export default class SkipReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = new Map<string, number>()
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) {
        const result = test.result()
        if (result.state !== 'skipped' || !result.note) continue
        counts.set(result.note, (counts.get(result.note) ?? 0) + 1)
      }
    }
    for (const [reason, count] of counts) process.stdout.write(`skipped ${count}: ${reason}\n`)
  }
}
