import { describe, expect, it } from 'vitest'
import { checkWorkload, checkWorkloadFits } from '../../src/workload/check.ts'
import { faultTrace, type RecordedFaults } from '../../src/workload/fault-trace.ts'
import { ACCESS_WRITE, MAX_THINK_NS } from '../../src/workload/workload.ts'

const memory = { pageCount: 100, pageSize: 4096, present: null, snapshotIdentity: 'abc' }

/** [page, write, asked, answered] */
function faults(...entries: [page: number, isWrite: 0 | 1, askedNs: number, answeredNs: number][]): RecordedFaults {
  return {
    page: Uint32Array.from(entries, entry => entry[0]),
    isWrite: Uint8Array.from(entries, entry => entry[1]),
    askedNs: Float64Array.from(entries, entry => entry[2]),
    answeredNs: Float64Array.from(entries, entry => entry[3]),
  }
}

describe('the trace of recorded faults', () => {
  it('has for each fault the time from the answer before it to its message, and from the resume for the first', () => {
    const trace = faultTrace(faults([7, 0, 1000, 5000], [3, 1, 5600, 9000], [4, 0, 20_000, 21_000]), memory, 'x', 5)
    expect([...trace.page]).toEqual([7, 3, 4])
    expect([...trace.thinkNs]).toEqual([1000, 600, 11_000])
    expect([...trace.flags]).toEqual([0, ACCESS_WRITE, 0])
    expect([...trace.starts]).toEqual([0, 3])
    expect(() => checkWorkload(trace, 'trace')).not.toThrow()
    expect(() => checkWorkloadFits(trace, { name: 's', identity: 'abc', pageCount: 100, pageSize: 4096 })).not.toThrow()
  })

  it('has no time where a message was read before the answer to another', () => {
    expect([...faultTrace(faults([1, 0, 10, 100], [2, 0, 20, 200]), memory, 'x', null).thinkNs]).toEqual([10, 0])
  })

  it('has a page once, and counts a later time from whatever was answered right before', () => {
    const trace = faultTrace(faults([1, 0, 10, 100], [1, 1, 150, 160], [2, 0, 200, 300]), memory, 'x', null)
    expect([...trace.page]).toEqual([1, 2])
    expect([...trace.thinkNs]).toEqual([10, 40])
  })

  it('cuts times that do not fit the format', () => {
    expect(faultTrace(faults([1, 0, 1e10, 2e10]), memory, 'x', null).thinkNs[0]).toBe(MAX_THINK_NS)
  })

  it('is a workload without accesses when there were no faults', () => {
    const trace = faultTrace(faults(), memory, 'x', null)
    expect({ accesses: trace.page.length, starts: [...trace.starts] }).toEqual({ accesses: 0, starts: [0, 0] })
  })
})
