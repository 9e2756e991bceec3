/** Probes taking turns. */
import { describe, expect, it } from 'vitest'
import { ClockProbe, type Probe, type Recorder, runProbes, scattered } from '../../src/calibrate/probes/probe.ts'

class CountingProbe implements Probe {
  runs = 0
  closed = 0
  readonly #fails: boolean

  constructor(fails = false) {
    this.#fails = fails
  }

  run(record: Recorder): void {
    if (this.#fails) throw new Error('fails')
    record('runs', ++this.runs)
  }

  close(): void {
    this.closed++
  }
}

describe('probes', () => {
  it('run in turns until time is up, are closed, and leave the first rounds out', () => {
    const [one, other] = [new CountingProbe(), new CountingProbe()]
    const samples = runProbes([one, new ClockProbe(), other], 50)
    expect([one.closed, other.closed, one.runs]).toEqual([1, 1, other.runs])
    const runs = samples.get('runs')!
    expect(runs[0]).toBeGreaterThan(1)
    expect(runs.at(-1)).toBe(one.runs)
    expect(samples.get('clock')!.every(ns => ns >= 0)).toBe(true)
  })

  it('leave a sample of each, even where the first round takes all the time', () => {
    const probe = new CountingProbe()
    const slow: Probe = {
      run: () => {
        const startMs = performance.now()
        while (performance.now() - startMs < 20);
      },
      close: () => {},
    }
    expect(runProbes([probe, slow], 10).get('runs')).toEqual([2])
  })

  it('are closed when one of them fails', () => {
    const good = new CountingProbe()
    expect(() => runProbes([good, new CountingProbe(true)], 50)).toThrow('fails')
    expect(good.closed).toBe(1)
  })

  it.each([16, 64, 1024, 2048, 4096, 65_536])('visit each of %d places once', count => {
    const visited = new Set(Array.from({ length: count }, (_, i) => scattered(i, count)))
    expect(visited.size).toBe(count)
  })
})
