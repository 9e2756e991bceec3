/** A vCPU of the naive simulator: section "vCPUs" of docs/model.md. */
import { ACCESS_IDLE, ACCESS_WRITE } from '../../../src/workload/workload.ts'
import type { Life, Machine } from './machine.ts'
import { isZero } from './memory.ts'

interface Access {
  readonly page: number
  readonly thinkNs: number
  readonly write: boolean
  readonly idle: boolean
}

function accessesOf(machine: Machine, vcpu: number): Access[] {
  const { workload, hostPage } = machine.input
  const accesses: Access[] = []
  for (let i = workload.starts[vcpu]; i < workload.starts[vcpu + 1]; i++) {
    accesses.push({
      page: hostPage[i],
      thinkNs: workload.thinkNs[i],
      write: (workload.flags[i] & ACCESS_WRITE) !== 0,
      idle: (workload.flags[i] & ACCESS_IDLE) !== 0,
    })
  }
  return accesses
}

function isAccessible(machine: Machine, { page, write }: Access): boolean {
  const { resident, writable, mapped, input } = machine
  if ((input.guest || isShadowed(machine)) && !mapped.has(page)) return false
  return write ? writable.has(page) : resident.has(page)
}

/** A hypervisor shadows the host's page tables, and what others install is not in the shadow. */
function isShadowed({ input }: Machine): boolean {
  return !input.guest && input.policy.mechanism.install === 'uffd' && input.costs.shadowFaultNs > 0
}

export function* vcpuLife(machine: Machine, vcpu: number): Life {
  const { clock } = machine
  const accesses = accessesOf(machine, vcpu)
  yield // until the VM runs
  let i = 0
  while (i < accesses.length) {
    if (accesses[i].idle) {
      clock.timer(vcpu, clock.now + accesses[i].thinkNs)
      yield
    } else {
      const { workNs, next, stopsAtAccess } = runOn(machine, accesses, i)
      clock.burst(vcpu, workNs)
      if (clock.contended) machine.rules.add('more bursts than cores')
      yield
      i = next
      if (!stopsAtAccess) continue
    }
    let waitedSinceNs = -1
    while (!isAccessible(machine, accesses[i])) {
      const startNs = clock.now
      const waited = yield* fault(machine, vcpu, accesses[i], startNs, waitedSinceNs >= 0)
      if (waited && machine.input.guest) waitedSinceNs = startNs
      else if (waited) {
        machine.latencies.push(clock.now - startNs)
        machine.mapped.add(accesses[i].page)
      }
      machine.vcpus[vcpu].stallNs += clock.now - startNs
      machine.vcpus[vcpu].resumedAtNs = clock.now
    }
    if (waitedSinceNs >= 0) machine.latencies.push(clock.now - waitedSinceNs)
    if (machine.firstAccessNs < 0) machine.firstAccessNs = clock.now
    i++
  }
  machine.workDoneNs = clock.now
}

/** How far the burst goes that starts with the think time of access `i`. */
function runOn(machine: Machine, accesses: readonly Access[], i: number) {
  let workNs = accesses[i].thinkNs
  if (i === 0 || machine.input.burstPerAccess) return { workNs, next: i, stopsAtAccess: true }
  let next = i
  while (isAccessible(machine, accesses[next])) {
    next++
    if (next === accesses.length || accesses[next].idle) return { workNs, next, stopsAtAccess: false }
    workNs += accesses[next].thinkNs
  }
  return { workNs, next, stopsAtAccess: true }
}

/** Returns whether the vCPU waited for a handler. */
function* fault(
  machine: Machine,
  vcpu: number,
  access: Access,
  startNs: number,
  waited: boolean,
): Generator<void, boolean, void> {
  const { resident, writable, input } = machine
  const { page, write } = access
  if (resident.has(page) && write && !writable.has(page)) yield* copyOnWrite(machine, vcpu, page)
  else if (resident.has(page) && isShadowed(machine)) yield* shadowFault(machine, vcpu, page)
  else if (resident.has(page)) yield* guestFault(machine, vcpu, page, waited)
  else if (input.policy.mechanism.install === 'uffd') return yield* userfault(machine, vcpu, page)
  else if (isZero(machine.blockOf(page), page)) yield* zeroFill(machine, vcpu, access)
  else yield* fileFault(machine, vcpu, access, startNs)
  return false
}

function* shadowFault(machine: Machine, vcpu: number, page: number): Life {
  machine.rules.add('mapped in the shadow')
  machine.clock.kernelBurst(vcpu, machine.input.costs.shadowFaultNs)
  yield
  machine.mapped.add(page)
}

/** The hypervisor maps the page, and what is writable of the aligned window around it. */
function* guestFault(machine: Machine, vcpu: number, page: number, waited: boolean): Life {
  const { guestFaultNs, guestFaultPages, guestWakeNs } = machine.input.costs
  const { firstHostPage, hostPages, hostPageSize } = machine.blockOf(page)
  const window = Math.max(1, Math.floor((guestFaultPages * 4096) / hostPageSize))
  machine.rules.add('mapped for the guest')
  machine.clock.kernelBurst(vcpu, waited ? guestFaultNs + guestWakeNs : guestFaultNs)
  yield
  machine.mapped.add(page)
  for (let other = firstHostPage; other < firstHostPage + hostPages; other++) {
    const isInWindow = Math.floor((other - firstHostPage) / window) === Math.floor((page - firstHostPage) / window)
    if (isInWindow && machine.writable.has(other)) machine.mapped.add(other)
  }
}

function* userfault(machine: Machine, vcpu: number, page: number): Generator<void, boolean, void> {
  const { clock } = machine
  const { faultTrapNs, coldFaultNs, coolingNs } = machine.input.costs
  const since = clock.now - machine.vcpus[vcpu].resumedAtNs
  if (since > 0 && coldFaultNs > 0) machine.rules.add('a fault is cold')
  const coldNs = since > 0 ? Math.round((coldFaultNs * since) / (since + coolingNs)) : 0
  clock.kernelBurst(vcpu, faultTrapNs + coldNs)
  yield
  if (machine.resident.has(page)) {
    machine.rules.add('installed during the trap')
    return false
  }
  if (machine.isContended) {
    clock.kernelBurst(vcpu, machine.lockedNs(machine.uffdOf(page), 0))
    yield
    if (machine.resident.has(page)) {
      machine.rules.add('installed while it queues')
      return false
    }
  }
  machine.faults++
  machine.faulted.add(page)
  machine.vcpus[vcpu].waitsFor = page
  machine.postMessage(vcpu)
  if (machine.input.guest) yield* takenOffItsCpu(machine, vcpu)
  yield // until an install covers the page, and the vCPU runs again
  return true
}

/** A guest's vCPU works on while its message is under way; it may be woken before it sleeps. */
function* takenOffItsCpu(machine: Machine, vcpu: number): Life {
  const { clock, vcpus, input } = machine
  const state = vcpus[vcpu]
  state.fallsAsleep = true
  clock.kernelBurst(vcpu, input.costs.guestSleepNs)
  yield
  state.fallsAsleep = false
  if (state.wakeAtNs < 0) return
  machine.rules.add('woken before it sleeps')
  clock.timer(vcpu, Math.max(clock.now, state.wakeAtNs))
  state.wakeAtNs = -1
}

function* copyOnWrite(machine: Machine, vcpu: number, page: number): Life {
  const block = machine.blockOf(page)
  machine.minorFaults++
  machine.rules.add('copy on write')
  const { guest, costs } = machine.input
  const copyNs = isZero(block, page) ? kernelFaultNs(machine, page, true) : costs.cowFaultNs
  const shootsDown = machine.clock.interruptOthers(costs.tlbInterruptNs)
  if (shootsDown) machine.rules.add('copy on write interrupts other cores')
  const kernelNs = copyNs + (shootsDown ? costs.tlbShootdownNs : 0)
  machine.clock.kernelBurst(vcpu, guest ? kernelNs + 2 * costs.guestFaultNs : kernelNs)
  yield
  machine.writable.add(page)
  machine.mapped.add(page)
}

function* zeroFill(machine: Machine, vcpu: number, { page, write }: Access): Life {
  machine.minorFaults++
  machine.rules.add('zero fill')
  machine.clock.kernelBurst(vcpu, kernelFaultNs(machine, page, write))
  yield
  machine.becomeResident(page, write || machine.blockOf(page).kind !== 'anon')
}

/** The kernel's own fault on the memory under a host page. */
function kernelFaultNs(machine: Machine, page: number, write: boolean): number {
  const { anonReadFaultNs, anonWriteFaultNs, shmemFaultNs, hugeFault2mNs } = machine.input.costs
  const { kind, hostPageSize } = machine.blockOf(page)
  switch (kind) {
    case 'anon':
      return (hostPageSize / 4096) * (write ? anonWriteFaultNs : anonReadFaultNs)
    case 'shmem':
      return (hostPageSize / 4096) * shmemFaultNs
    case 'hugetlb':
      return (hostPageSize / 2 ** 21) * hugeFault2mNs
  }
}

function* fileFault(machine: Machine, vcpu: number, { page, write }: Access, startNs: number): Life {
  const { clock, cache, input } = machine
  const { costs } = input
  const block = machine.blockOf(page)
  const readyNs = cache.map(block, page - block.firstHostPage + block.firstTargetPage, clock.now)
  const waits = readyNs > clock.now
  const workNs = machine.requestsNs(cache.requests)
  if (waits) {
    machine.faults++
    machine.faulted.add(page)
    clock.timer(vcpu, readyNs)
    yield
  } else machine.minorFaults++
  clock.kernelBurst(vcpu, workNs + (write ? costs.cowFaultNs : costs.fileMapFaultNs))
  yield
  if (write) machine.becomeResident(page, true)
  else {
    const mapped = mappedAround(machine, page)
    cache.mappedAround(mapped.length - 1)
    for (const neighbour of mapped) machine.becomeResident(neighbour, false)
  }
  if (waits) machine.latencies.push(clock.now - startNs)
}

/** The page and its neighbours that a read fault maps. */
function mappedAround(machine: Machine, page: number): number[] {
  const { clock, cache, input } = machine
  const block = machine.blockOf(page)
  const { firstHostPage, hostPages, firstTargetPage } = block
  const window = Math.max(1, input.costs.faultAroundPages)
  const windowOf = (other: number) => Math.floor((other - firstHostPage) / window)
  const isMapped = (other: number) =>
    other >= firstHostPage &&
    other < firstHostPage + hostPages &&
    windowOf(other) === windowOf(page) &&
    !isZero(block, other) &&
    cache.isMappable(other - firstHostPage + firstTargetPage, clock.now)
  const pages = [page]
  for (let other = page - 1; isMapped(other); other--) pages.unshift(other)
  for (let other = page + 1; isMapped(other); other++) pages.push(other)
  if (pages.length > 1) machine.rules.add('mapped around')
  return pages
}
