import { test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { firstUseOrder } from '../../src/workload/first-use.ts'
import { memoryOfSize } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'
import { distinctPages } from '../../src/workload/stats.ts'
import { anyMemory } from './support.ts'

describe('the order of first use', () => {
  test('merges the vCPUs by the time that each has computed, and counts the first use only', () => {
    const workload = {
      ...createWorkload('uniform:accesses=6,vcpus=2', memoryOfSize(100, 4096), 1),
      page: Uint32Array.of(7, 3, 7, 9, 3, 1),
      thinkNs: Uint32Array.of(10, 20, 5, 1, 24, 100), // vCPU 0 at 10, 30, 35; vCPU 1 at 1, 25, 125
    }
    expect([...firstUseOrder(workload, workload.page, 100)]).toEqual([9, 7, 3, 1])
  })

  test('is of host pages where those cover several target pages', () => {
    const workload = createWorkload('sequential', memoryOfSize(1024, 4096), 1)
    const hostPage = workload.page.map(page => page >>> 9)
    expect([...firstUseOrder(workload, hostPage, 2)]).toEqual([0, 1])
  })

  property.prop([anyMemory])('has every distinct page once', memory => {
    const workload = createWorkload('working-set:share=50%,vcpus=3', memory, 1)
    const order = firstUseOrder(workload, workload.page, memory.pageCount)
    expect(new Set(order).size).toBe(order.length)
    expect(order.length).toBe(distinctPages(workload).count)
  })
})
