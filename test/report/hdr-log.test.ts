/** The HdrHistogram log, as the public reader decodes it. */
import { HistogramLogReader } from 'hdr-histogram-js'
import { expect, it } from 'vitest'
import { renderHdrLog } from '../../src/report/hdr-log.ts'
import { simulateAll } from './simulated.ts'

it('is read back with the counts and the quantiles of the records', async () => {
  const results = await simulateAll('eager,lazy,lazy-sweep:rate=100MiB,chunk=64KiB', 'working-set:share=20%,vcpus=2')
  const withFaults = results.filter(({ faults }) => faults > 0)
  const reader = new HistogramLogReader(renderHdrLog(results))
  const read = withFaults.map(() => reader.nextIntervalHistogram()!)
  expect(reader.nextIntervalHistogram()).toBeNull()
  expect(read.map(({ tag }) => tag)).toEqual(withFaults.map(({ policy }) => policy.replaceAll(',', ';')))
  for (const [i, histogram] of read.entries()) {
    const { faults, faultLatencyNs, resumeNs, workDoneNs } = withFaults[i]
    expect(histogram.totalCount).toBe(faults)
    for (const [percent, wanted] of [
      [50, faultLatencyNs!.p50],
      [90, faultLatencyNs!.p90],
      [99, faultLatencyNs!.p99],
      [99.9, faultLatencyNs!.p999],
    ]) {
      expect(Math.abs(histogram.getValueAtPercentile(percent) / wanted - 1)).toBeLessThan(0.01)
    }
    expect(Math.abs(histogram.maxValue / faultLatencyNs!.max - 1)).toBeLessThan(0.01)
    expect(histogram.startTimeStampMsec).toBeCloseTo(resumeNs / 1e6, 2)
    expect(histogram.endTimeStampMsec).toBeCloseTo(workDoneNs / 1e6, 2)
  }
})
