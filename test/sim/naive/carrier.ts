/** Handlers and workers of the naive simulator: section "Handlers and workers" of docs/model.md. */
import { Plan } from '../../../src/policy/plan.ts'
import type { Request } from './disk.ts'
import type { Life, Machine } from './machine.ts'
import { bytesUnder, operationOn, targetPagesUnder } from './memory.ts'

/** What is claimed and read at a time. */
interface Batch {
  /** Install runs. */
  readonly runs: { first: number; count: number }[]
  /** Bytes to read from the working-set file; null: from the snapshot. */
  readonly fileBytes: number | null
  readonly fileOffset: number
}

interface Carrier {
  readonly actor: number
  readonly isWorker: boolean
  readonly plan: Plan
  /** CPU work that is due at the next burst. */
  debtNs: number
  notBeforeNs: number
  /** It has read a message, and not begun with the first run of its answer. */
  isAnswering: boolean
}

function newCarrier({ input }: Machine, actor: number, isWorker: boolean): Carrier {
  return {
    actor,
    isWorker,
    plan: new Plan(input.policy.mechanism.planRuns),
    debtNs: 0,
    notBeforeNs: 0,
    isAnswering: false,
  }
}

export function* handlerLife(machine: Machine, actor: number): Life {
  const { input, vcpus, claimed } = machine
  const handler = newCarrier(machine, actor, false)
  let uffds = machine.uffdsOf(actor)
  for (;;) {
    const uffd = uffds.find(other => machine.messages.some(sender => machine.uffdOf(vcpus[sender].waitsFor) === other))
    const vcpu = machine.messages.find(sender => machine.uffdOf(vcpus[sender].waitsFor) === uffd)
    if (uffd === undefined || vcpu === undefined) {
      machine.idleHandlers.add(actor)
      yield // until a message wakes it
      continue
    }
    machine.messages = machine.messages.filter(sender => sender !== vcpu)
    // The next one is looked for from behind this one on.
    uffds = [...uffds.slice(uffds.indexOf(uffd) + 1), ...uffds.slice(0, uffds.indexOf(uffd) + 1)]
    const page = vcpus[vcpu].waitsFor
    handler.debtNs = input.costs.messageReadNs + machine.lockedNs(uffd, 0)
    if (claimed.has(page)) {
      machine.rules.add('a fault joins an install')
      yield* burst(machine, handler)
      continue
    }
    handler.plan.clear()
    input.policy.onFault(page, handler.plan)
    handler.isAnswering = true
    yield* carryOut(machine, handler)
  }
}

export function* workerLife(machine: Machine, actor: number): Life {
  const { policy } = machine.input
  const worker = newCarrier(machine, actor, true)
  const { plan } = worker
  machine.clock.timer(actor, machine.setupNs)
  yield
  for (;;) {
    plan.clear()
    policy.begin?.(plan)
    if (plan.length === 0) break
    yield* carryOut(machine, worker)
  }
  machine.beginning--
  if (machine.beginning === 0) machine.begun()
  yield // until the VM runs
  for (;;) {
    plan.clear()
    policy.next?.(plan)
    if (plan.length === 0) return
    yield* carryOut(machine, worker)
  }
}

function* burst(machine: Machine, carrier: Carrier): Life {
  machine.clock.kernelBurst(carrier.actor, carrier.debtNs)
  carrier.debtNs = 0
  yield
}

/** The plan, batch by batch. */
function* carryOut(machine: Machine, carrier: Carrier): Life {
  const inBackground = carrier.isWorker && machine.vmRuns
  const place = { run: 0, page: carrier.plan.first[0] }
  for (;;) {
    if (inBackground) yield* standBack(machine, carrier)
    const batch = claimBatch(machine, carrier.plan, place)
    if (batch === null) return
    if (inBackground) limitRate(machine, carrier, batch)
    if (batch.fileBytes !== null) yield* readFile(machine, carrier, batch.fileBytes, batch.fileOffset)
    else yield* readSnapshot(machine, carrier, batch.runs[0])
    // Of a mapping nothing is installed: what was read is in the page cache.
    if (machine.input.policy.mechanism.install === 'map') yield* burst(machine, carrier)
    else
      for (const { first, count } of batch.runs)
        yield* install(machine, carrier, first, count, batch.fileBytes !== null)
  }
}

function* standBack(machine: Machine, worker: Carrier): Life {
  const { clock, input } = machine
  for (;;) {
    if (input.policy.mechanism.yieldToFaults && machine.waiting.length > 0) {
      machine.rules.add('a worker stands back')
      clock.timer(worker.actor, clock.now + input.costs.standBackNs)
    } else if (clock.now < worker.notBeforeNs) {
      machine.rules.add('a worker keeps to its rate')
      clock.timer(worker.actor, worker.notBeforeNs)
    } else return
    yield
  }
}

function limitRate(machine: Machine, worker: Carrier, { runs }: Batch): void {
  const { clock, input } = machine
  const { rateBytesPerS } = input.policy.mechanism
  if (rateBytesPerS === null) return
  let bytes = 0
  for (const { first, count } of runs) {
    for (let page = first; page < first + count; page++) bytes += bytesUnder(machine.blockOf(page), page)
  }
  worker.notBeforeNs = Math.max(clock.now, worker.notBeforeNs) + Math.round((bytes * 1e9) / rateBytesPerS)
}

interface Place {
  /** Run of the plan, and the next page in it. */
  run: number
  page: number
}

/** Claims the next batch; null when the plan is done. */
function claimBatch(machine: Machine, plan: Plan, place: Place): Batch | null {
  while (place.run < plan.length) {
    const ofSnapshot = plan.sourceOffset[place.run] < 0
    const batch = ofSnapshot ? claimOfRun(machine, plan, place) : claimOfFile(machine, plan, place)
    if (batch.runs.length > 0) return batch
  }
  return null
}

function nextRun(plan: Plan, place: Place): void {
  place.run++
  place.page = plan.first[place.run]
}

/** The longest stretch of unclaimed pages of one block and one operation, within the limits. */
function claimOfRun(machine: Machine, plan: Plan, place: Place): Batch {
  const { claimed, input } = machine
  const { readBytes, zeroBytes, install } = input.policy.mechanism
  const end = plan.first[place.run] + plan.count[place.run]
  while (place.page < end && claimed.has(place.page)) place.page++
  const first = place.page
  if (first === end) {
    nextRun(plan, place)
    return { runs: [], fileBytes: null, fileOffset: 0 }
  }
  const block = machine.blockOf(first)
  const operation = operationOn(block, first)
  const mostBytes = operation === 0 ? readBytes : zeroBytes
  do {
    claimed.add(place.page)
    place.page++
  } while (
    place.page < end &&
    place.page < block.firstHostPage + block.hostPages &&
    !claimed.has(place.page) &&
    operationOn(block, place.page) === operation &&
    (place.page + 1 - first) * block.hostPageSize <= mostBytes
  )
  // Memory that is not registered reads as zeros by itself.
  if (install !== 'uffd' && operation !== 0) return { runs: [], fileBytes: null, fileOffset: 0 }
  return { runs: [{ first, count: place.page - first }], fileBytes: null, fileOffset: 0 }
}

/** Runs of the plan whose bytes lie side by side in the working-set file. */
function claimOfFile(machine: Machine, plan: Plan, place: Place): Batch {
  const { claimed, input, rules } = machine
  const { workingSetReadBytes } = input.policy.mechanism
  const start = plan.sourceOffset[place.run]
  const runs: { first: number; count: number }[] = []
  let bytes = 0
  while (place.run < plan.length && plan.sourceOffset[place.run] === start + bytes) {
    const first = plan.first[place.run]
    const count = plan.count[place.run]
    const more = count * machine.blockOf(first).hostPageSize
    if (bytes > 0 && bytes + more > workingSetReadBytes) break
    bytes += more
    for (let page = first; page < first + count; page++) {
      if (claimed.has(page)) {
        rules.add('the file is read past what others claimed')
        continue
      }
      claimed.add(page)
      const last = runs.at(-1)
      if (last !== undefined && page > first && last.first + last.count === page) last.count++
      else runs.push({ first: page, count: 1 })
    }
    nextRun(plan, place)
  }
  if (runs.length > 1) rules.add('one read of the file for several runs')
  return { runs, fileBytes: bytes, fileOffset: start }
}

/** One read for each run of set bits under the pages, cut at `readBytes`. */
function* readSnapshot(machine: Machine, carrier: Carrier, run: { first: number; count: number }): Life {
  const block = machine.blockOf(run.first)
  if (operationOn(block, run.first) !== 0) return
  const most = Math.max(1, Math.floor(machine.input.policy.mechanism.readBytes / block.pageSize))
  const pages: number[] = []
  for (let i = 0; i < run.count; i++) pages.push(...targetPagesUnder(block, run.first + i))
  let read: number[] = []
  for (const page of pages) {
    if (read.length === most || (read.length > 0 && !block.hasData[page])) {
      yield* readPages(machine, carrier, run.first, read)
      read = []
    }
    if (block.hasData[page]) read.push(page)
  }
  if (read.length > 0) yield* readPages(machine, carrier, run.first, read)
}

/** One read of consecutive target pages. */
function* readPages(machine: Machine, carrier: Carrier, hostPage: number, pages: readonly number[]): Life {
  const { clock, cache, device, input } = machine
  const { costs } = input
  const block = machine.blockOf(hostPage)
  const bytes = pages.length * block.pageSize
  machine.bytesRead += bytes
  const { direct } = input.policy.mechanism
  let readyNs: number
  let requests: readonly Request[]
  if (direct) {
    readyNs = device.submit(clock.now, bytes, block.pagesOffset + pages[0] * block.pageSize)
    requests = [{ bytes, way: 'direct', extraCpuNs: device.extraCpuNs }]
  } else {
    carrier.debtNs += costs.readCallNs + (bytes / 4096) * costs.read4kNs
    readyNs = cache.read(carrier.actor, block, block.firstTargetPage + pages[0], pages.length, clock.now)
    requests = cache.requests
  }
  carrier.debtNs += machine.requestsNs(requests)
  if (readyNs === clock.now) {
    if (requests.length > 0) machine.rules.add('read: nobody waits for what it brings')
    return
  }
  clock.timer(carrier.actor, readyNs)
  yield
}

function* readFile(machine: Machine, carrier: Carrier, bytes: number, fileOffset: number): Life {
  const { clock, device, input } = machine
  const { workingSetDirect: direct } = input.policy.mechanism
  machine.bytesRead += bytes
  if (!direct) carrier.debtNs += input.costs.readCallNs + (bytes / 4096) * input.costs.read4kNs
  if (!direct && input.cacheWarm) return
  const readyNs = device.submit(clock.now, bytes, machine.workingSetPlace + fileOffset)
  carrier.debtNs += machine.requestsNs([{ bytes, way: direct ? 'direct' : 'ahead', extraCpuNs: device.extraCpuNs }])
  clock.timer(carrier.actor, readyNs)
  yield
}

/** One install call. */
function* install(machine: Machine, carrier: Carrier, first: number, count: number, fromFile: boolean): Life {
  const { wakeCallRemoteNs, wakeCallLocalNs, busyWakeNs } = machine.input.costs
  const operation = operationOn(machine.blockOf(first), first)
  const wakeNs = () =>
    machine
      .waitersFor(first, count)
      .map(vcpu => {
        if (machine.clock.wakesRemotely(vcpu)) return wakeCallRemoteNs
        return machine.clock.interrupts(vcpu) ? wakeCallLocalNs + busyWakeNs : wakeCallLocalNs
      })
      .reduce((sum, ns) => sum + ns, 0)
  carrier.debtNs += callNs(machine, first, count, fromFile)
  if (!carrier.isAnswering) carrier.debtNs += machine.input.costs.runNs
  if (!carrier.isAnswering && !carrier.isWorker) machine.rules.add('an answer has several runs')
  carrier.isAnswering = false
  if (!machine.isContended) carrier.debtNs += wakeNs()
  yield* burst(machine, carrier)
  machine.placed(operation, first, count)
  const uffd = machine.uffdOf(first)
  if (machine.isContended && machine.waitingOn(uffd) > 0) {
    carrier.debtNs += machine.lockedNs(uffd, machine.waitingOn(uffd) * machine.faultPath.scanNs + wakeNs())
    yield* burst(machine, carrier)
  }
  machine.installed(first, count)
}

/** CPU of an install call, without the wake-ups. */
function callNs(machine: Machine, first: number, count: number, fromFile: boolean): number {
  const { costs, policy } = machine.input
  const block = machine.blockOf(first)
  const small = block.hostPageSize / 4096
  const huge = block.hostPageSize / 2 ** 21
  const { kind } = block
  if (policy.mechanism.install === 'load') {
    if (kind === 'hugetlb') return count * huge * costs.hugeFault2mNs
    if (kind === 'shmem') return count * small * costs.shmemFaultNs
    return count * small * (policy.mechanism.direct ? costs.anonPinFaultNs : costs.anonWriteFaultNs)
  }
  const operation = operationOn(block, first)
  if (operation === 1) {
    return costs.zeroCallNs + count * small * (kind === 'anon' ? costs.zeroAnon4kNs : costs.zeroShmem4kNs)
  }
  const pageNs = {
    anon: small * costs.copyAnon4kNs,
    shmem: small * costs.copyShmem4kNs,
    hugetlb: huge * costs.copyHuge2mNs,
  }
  let fillNs = 0
  if (operation === 0 && !fromFile) {
    for (let page = first; page < first + count; page++) {
      const clear = targetPagesUnder(block, page).filter(target => !block.hasData[target]).length
      if (clear > 0) machine.rules.add('a mixed page is filled up')
      fillNs += ((clear * block.pageSize) / 4096) * costs.fillZero4kNs
    }
  }
  return costs.copyCallNs + count * pageNs[kind] + fillNs
}
