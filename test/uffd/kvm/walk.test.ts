/**
 * Guests on the real KVM that walk access lists over memory that a userfaultfd serves.
 *
 * @module-tag kvm
 */
import { readdirSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { GIB, MIB } from '../../../src/core/units.ts'
import type { BlockMemory } from '../../../src/destination/host-pages.ts'
import { probe } from '../../../src/uffd/availability.ts'
import { hugePageReason } from '../../../src/uffd/huge-pages.ts'
import { Guest } from '../../../src/uffd/kvm/guest.ts'
import { ENTRY_WORDS, writeAccesses } from '../../../src/uffd/kvm/guest-lists.ts'
import { kvmReason } from '../../../src/uffd/kvm/vm.ts'
import { MemoryRegion } from '../../../src/uffd/memory-region.ts'
import { ACCESS_IDLE, ACCESS_WRITE } from '../../../src/workload/workload.ts'
import { requireForEach, requireOrSkip } from '../../support/availability.ts'
import { reserveHugePages } from '../../support/huge-pages.ts'
import { LIMIT_MS, PAGE, settled, sleepers } from '../support.ts'
import { register, resolveWhile, startVcpus } from './support.ts'

reserveHugePages(2 * MIB, 16)
requireForEach(() => kvmReason() ?? probe().userfaultfd)

const MEMORY: readonly BlockMemory[] = [
  { kind: 'anon', hostPageSize: PAGE },
  { kind: 'shmem', hostPageSize: PAGE },
  { kind: 'hugetlb', hostPageSize: 2 * MIB },
]

function createRegion(memory: BlockMemory, byteLength: number): MemoryRegion {
  const region = new MemoryRegion({ ...memory, byteLength })
  onTestFinished(() => region.close())
  return region
}

interface Access {
  readonly page: number
  readonly thinkNs?: number
  readonly flags?: number
}

/** A guest over regions, with a list per vCPU whose pages are of 4 KiB and of the last region. */
function createGuest(regions: readonly MemoryRegion[], lists: readonly (readonly Access[])[]): Guest {
  const guest = new Guest(
    regions,
    lists.map(({ length }) => length),
  )
  for (const [vcpu, accesses] of lists.entries()) {
    const workload = {
      page: Uint32Array.from(accesses, ({ page }) => page),
      thinkNs: Uint32Array.from(accesses, ({ thinkNs = 0 }) => thinkNs),
      flags: Uint8Array.from(accesses, ({ flags = 0 }) => flags),
    }
    const addressOf = (page: number) => guest.addressOf(regions.length - 1, page * PAGE)
    writeAccesses(guest.list(vcpu), workload, 0, accesses.length, addressOf)
  }
  return guest
}

const anonymous = (pages: number) => createRegion({ kind: 'anon', hostPageSize: PAGE }, pages * PAGE)
const openFiles = () => readdirSync('/proc/self/fd').length

describe('a guest that walks its list', () => {
  for (const memory of MEMORY) {
    it(`is served by a userfaultfd above 4 GiB: ${memory.kind}`, async context => {
      requireOrSkip(context, memory.kind === 'hugetlb' ? hugePageReason(2 * MIB, 4) : null)
      const hostPages = 4
      const perHostPage = memory.hostPageSize / PAGE
      const below = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: 3 * GIB })
      onTestFinished(() => below.close())
      const region = createRegion(memory, hostPages * memory.hostPageSize)
      const source = createRegion({ kind: 'anon', hostPageSize: PAGE }, region.byteLength)
      for (let page = 0; page < hostPages; page++) {
        source.view(page * memory.hostPageSize, memory.hostPageSize).fill(page + 1)
      }
      const flags = [0, ACCESS_WRITE, 0, ACCESS_WRITE]
      const order = [2, 0, 3, 1]
      const accesses = [...order, ...order].map((page, i) => ({ page: page * perHostPage, flags: flags[i % 4] }))
      const guest = createGuest([below, region], [accesses])
      expect(guest.addressOf(1, 0)).toBe(7 * GIB)
      const uffd = register(region)
      const running = await startVcpus(guest, 'walk', 1)
      const faults = await resolveWhile(running, uffd, region, address => {
        expect(uffd.copy(address, source.address + address - region.address, memory.hostPageSize, 0)).toBe('done')
      })
      const [{ outcome, failure, entries, times }] = await settled(running.results, 'vCPU')
      expect([outcome, failure, entries]).toEqual(['done', null, 8])
      expect(faults.map(({ page }) => page)).toEqual(order)
      expect(faults.map(({ isWrite }) => isWrite)).toEqual([false, true, false, true])
      expect(region.resident.compare(region.address, source.view(0, region.byteLength))).toBeNull()
      const { startNs, latencyNs } = times!
      for (let i = 0; i < 4; i++) {
        expect(latencyNs[i]).toBeGreaterThan(latencyNs[i + 4])
        expect(startNs[i + 1]).toBeGreaterThanOrEqual(startNs[i] + latencyNs[i])
      }
    })
  }

  it('computes for the think time, sleeps for the idle time, and its times are those of the host', async () => {
    const region = anonymous(1)
    const [thinkNs, idleNs] = [3e6, 7e6]
    const accesses = [{ page: 0 }, { page: 0, thinkNs }, { page: 0, thinkNs: idleNs, flags: ACCESS_IDLE }, { page: 0 }]
    const running = await startVcpus(createGuest([region], [accesses]), 'walk', 1)
    const [{ startNs, endNs, times, clockErrorNs }] = await settled(running.results, 'vCPU')
    const at = times!.startNs
    expect(at[1] - at[0] - times!.latencyNs[0]).toBeGreaterThanOrEqual(thinkNs * 0.9999)
    expect(at[2] - at[1] - times!.latencyNs[1]).toBeGreaterThanOrEqual(idleNs)
    expect(at[0]).toBeGreaterThanOrEqual(startNs - clockErrorNs)
    expect(at[3] + times!.latencyNs[3]).toBeLessThanOrEqual(endNs + clockErrorNs)
    expect(clockErrorNs).toBeLessThan(1e6)
  })

  it('shows the time that a page was waited for', async () => {
    const region = anonymous(2)
    const uffd = register(region)
    const running = await startVcpus(createGuest([region], [[{ page: 1 }, { page: 1 }]]), 'walk', 1)
    const delayNs = 20e6
    await resolveWhile(running, uffd, region, address => {
      const from = process.hrtime.bigint()
      while (Number(process.hrtime.bigint() - from) < delayNs);
      uffd.zeropage(address, PAGE, 0)
    })
    const [{ times }] = await settled(running.results, 'vCPU')
    expect(times!.latencyNs[0]).toBeGreaterThan(delayNs)
    expect(times!.latencyNs[1]).toBeLessThan(delayNs)
  })

  it('with two vCPUs: each has its own list, and a page that both want is installed once', async () => {
    const region = anonymous(64)
    const uffd = register(region)
    const lists = [0, 1].map(vcpu => Array.from({ length: 64 }, (_, i) => ({ page: vcpu === 0 ? i : 63 - i })))
    const running = await startVcpus(createGuest([region], lists), 'walk', 2)
    let done = 0
    await resolveWhile(running, uffd, region, address => {
      if (uffd.zeropage(address, PAGE, 0) === 'done') done++
      else uffd.wake(address, PAGE)
    })
    const results = await settled(running.results, 'vCPUs')
    expect(results.map(({ outcome, entries }) => [outcome, entries])).toEqual([
      ['done', 64],
      ['done', 64],
    ])
    expect(done).toBe(64)
  })
})

describe('a vCPU that cannot go on', () => {
  it('names the guest address of a poisoned page', async () => {
    const region = anonymous(4)
    const uffd = register(region)
    const guest = createGuest([region], [[{ page: 0 }, { page: 2 }, { page: 1 }]])
    const running = await startVcpus(guest, 'walk', 1)
    await resolveWhile(running, uffd, region, (address, page) => {
      expect(page === 2 ? uffd.poison(address, PAGE, 0) : uffd.zeropage(address, PAGE, 0)).toBe('done')
    })
    const [{ outcome, failure, entries }] = await settled(running.results, 'vCPU')
    expect([outcome, entries]).toEqual(['failed', 1])
    expect(failure).toMatch(/^vCPU 0: .*100002000.* poisoned page/)
  })

  it('names a guest address that has no memory', async () => {
    const running = await startVcpus(createGuest([anonymous(4)], [[{ page: 3 }, { page: 4 }]]), 'walk', 1)
    const [{ outcome, failure, entries }] = await settled(running.results, 'vCPU')
    expect([outcome, entries]).toEqual(['failed', 1])
    expect(failure).toMatch(/^vCPU 0: read of guest address 0x100004000: found no memory, or a poisoned page/)
  })

  it('names the guest address of a page whose userfaultfd may not handle faults of the kernel', async () => {
    const region = anonymous(4)
    const uffd = register(region, { userModeOnly: true })
    const running = await startVcpus(createGuest([region], [[{ page: 2 }]]), 'walk', 1)
    expect(await resolveWhile(running, uffd, region, address => uffd.zeropage(address, PAGE, 0))).toEqual([])
    const [{ outcome, failure }] = await settled(running.results, 'vCPU')
    expect(outcome).toBe('failed')
    expect(failure).toMatch(/^vCPU 0: .*0x100002000/)
  })

  it('says so when its guest ends in an exception', { tags: ['shutdown'] }, async () => {
    const guest = createGuest([anonymous(1)], [[{ page: 0 }, { page: 0 }]])
    guest.list(0)[ENTRY_WORDS + 1] = 0x0f00_0000 // far above what the page tables map
    const running = await startVcpus(guest, 'walk', 1)
    const [{ outcome, failure }] = await settled(running.results, 'vCPU')
    expect(outcome).toBe('failed')
    expect(failure).toMatch(/^vCPU 0: found a shutdown \(an exception in the guest\), with its current address 0x/)
  })
})

describe('a vCPU that is told to stop', () => {
  const LONG_NS = 4e9
  const waits: Readonly<Record<string, readonly Access[]>> = {
    computes: [{ page: 0 }, { page: 0, thinkNs: LONG_NS }],
    'is halted': [{ page: 0 }, { page: 0, thinkNs: LONG_NS, flags: ACCESS_IDLE }],
  }
  for (const [what, accesses] of Object.entries(waits)) {
    it(`ends while it ${what}`, async () => {
      const running = await startVcpus(createGuest([anonymous(1)], [accesses]), 'walk', 1)
      await new Promise(resolve => setTimeout(resolve, 50))
      running.stop()
      const [{ outcome, entries, startNs, endNs }] = await settled(running.results, 'vCPU')
      expect([outcome, entries]).toEqual(['stopped', 1])
      expect(endNs - startNs).toBeLessThan(LONG_NS / 2)
    })
  }

  it('ends while it sleeps for a page, at the latest when the userfaultfd is closed', async () => {
    const region = anonymous(2)
    const uffd = register(region)
    const running = await startVcpus(createGuest([region], [[{ page: 1 }]]), 'walk', 1)
    await sleepers(uffd, 1)
    running.stop()
    await Promise.race([running.results, new Promise(resolve => setTimeout(resolve, LIMIT_MS / 2))])
    uffd.close()
    const [{ outcome }] = await settled(running.results, 'vCPU')
    expect(outcome).toBe('stopped')
  })
})

it('nothing is left of guests that were closed', async () => {
  const count = async () => {
    const guest = createGuest([region], [[{ page: 0 }], [{ page: 1 }]])
    const running = await startVcpus(guest, 'walk', 2)
    await settled(running.results, 'vCPUs')
    await new Promise(resolve => setTimeout(resolve, 100)) // for the threads to end
    guest.close()
    return openFiles()
  }
  const region = anonymous(2)
  const before = await count()
  for (let i = 0; i < 3; i++) expect(await count()).toBe(before)
})
