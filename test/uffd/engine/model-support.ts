/**
 * A restore on the model kernel: the engine's handlers and workers over simulated memory, in one thread. Nothing runs by
 * itself: a test calls `step`, and at each point where other threads could run in between it is told through `onPoint`.
 */
import { testBit } from '../../../src/core/bitmap.ts'
import { parseSpec, type Spec } from '../../../src/core/spec-string.ts'
import { MIB } from '../../../src/core/units.ts'
import { blockOfHostPage, createLayout, type Layout, type LayoutBlock } from '../../../src/destination/layout.ts'
import type { Mechanism, Policy } from '../../../src/policy/policy.ts'
import { FaultFeed } from '../../../src/policy/policy-host.ts'
import { createPolicy } from '../../../src/policy/registry.ts'
import { memorySource } from '../../../src/snapshot/byte-source.ts'
import { eagerLoad } from '../../../src/snapshot/load.ts'
import { UFFD_FEATURE_EVENT_REMOVE, UFFDIO_REGISTER_MODE_MISSING } from '../../../src/uffd/constants.ts'
import { AddressMap } from '../../../src/uffd/engine/address-map.ts'
import type { Carrier, CarrierSetup } from '../../../src/uffd/engine/carrier.ts'
import { Handler } from '../../../src/uffd/engine/handler.ts'
import type { PageReader } from '../../../src/uffd/engine/page-reader.ts'
import { createSharedRestore, isAlone, PHASE_RUN, RestoreState } from '../../../src/uffd/engine/restore-state.ts'
import { claimsFor } from '../../../src/uffd/engine/shared-claims.ts'
import { Worker } from '../../../src/uffd/engine/worker.ts'
import type { FaultChannel } from '../../../src/uffd/kernel.ts'
import { ModelKernel, type ModelKernelOptions } from '../../../src/uffd/model/model-kernel.ts'
import type { ModelMemory } from '../../../src/uffd/model/model-memory.ts'
import type { ModelProcess } from '../../../src/uffd/model/model-process.ts'
import type { ModelUserfaultfd } from '../../../src/uffd/model/model-userfaultfd.ts'
import { type BlockOfBits, snapshotOfBits } from '../../destination/layout-of-bits.ts'
import { policiesThat } from '../../policy/plans.ts'

export const PAGE = 4096
export const HUGE = 2 * MIB

/** Where other threads can run: around a call of the userfaultfd, in a read, in a sleep, in a wait for messages. */
export type Point = 'call' | 'read' | 'sleep' | 'idle'

export interface ModelRestoreOptions extends ModelKernelOptions {
  readonly blocks: readonly BlockOfBits[]
  readonly policy: string
  /** Host pages in order of first use. */
  readonly workingSet?: readonly number[]
  readonly broken?: 'poison' | 'zero'
  /** Of the userfaultfd; with UFFD_FEATURE_EVENT_REMOVE installs are held against removals. */
  readonly features?: number
}

/** Which file a read is of, and where in it; a test throws from `onRead` for one that fails. */
export interface ModelRead {
  readonly file: 'snapshot' | 'working set'
  readonly offset: number
  readonly length: number
}

/** Policies that use userfaultfd, by name. */
export const UFFD_POLICIES: readonly string[] = policiesThat('uffd')

export class ModelRestore {
  readonly kernel: ModelKernel
  readonly vm: ModelProcess
  readonly channel: ModelUserfaultfd
  readonly layout: Layout
  readonly map: AddressMap
  readonly state: RestoreState
  readonly memories: readonly ModelMemory[]
  readonly handlers: readonly Handler[]
  readonly workers: readonly Worker[]
  readonly mechanism: Mechanism
  /** What an eager load leaves in each block. */
  readonly eager: readonly Uint8Array[]
  /** What carriers told at once. */
  readonly failures: string[] = []
  /** Runs of host pages in the order in which carriers installed them. */
  readonly installs: [first: number, count: number][] = []
  /** Calls of the userfaultfd by carriers. */
  calls = 0
  onPoint: (point: Point) => void = () => {}
  onRead: (read: ModelRead) => void = () => {}
  readonly #snapshotFile: Uint8Array
  readonly #workingSetFile: Uint8Array | null

  /** Use `createModelRestore`. */
  constructor(options: ModelRestoreOptions, layout: Layout, file: Uint8Array, eager: readonly Uint8Array[]) {
    const { policy: spec, workingSet = null, broken = 'zero', features = 0 } = options
    this.kernel = new ModelKernel(options)
    this.vm = this.kernel.createProcess()
    this.channel = this.kernel.createUserfaultfd(this.vm)
    this.layout = layout
    this.eager = eager
    this.#snapshotFile = file
    this.#workingSetFile = workingSet && this.#workingSetBytes(workingSet)
    this.memories = layout.blocks.map(({ kind, hostPageSize, firstHostPage, endHostPage }) =>
      this.vm.createMemory({ kind, hostPageSize, byteLength: (endHostPage - firstHostPage) * hostPageSize }),
    )
    this.map = new AddressMap(
      layout,
      this.memories.map(({ address }) => address),
    )
    this.channel.api(features)
    for (const { address, byteLength } of this.memories) {
      this.channel.register(address, byteLength, UFFDIO_REGISTER_MODE_MISSING)
    }
    const shared = createSharedRestore(layout.hostPageCount, 0, 0)
    this.state = new RestoreState(shared)
    const channel = this.#observed(this.channel)
    const setup = (): CarrierSetup => {
      const policy = this.#newPolicy(parseSpec(spec), workingSet)
      return {
        policy,
        map: this.map,
        state: new RestoreState(shared, isAlone(policy.mechanism)),
        claims: claimsFor(policy.mechanism, layout.hostPageCount, shared.claimed),
        channel,
        host: { isPresent: address => this.isPresent(address), sleepMs: () => this.onPoint('sleep') },
        broken,
        events: (features & UFFD_FEATURE_EVENT_REMOVE) !== 0,
        onFailure: reason => this.failures.push(reason),
        ...this.#files(),
      }
    }
    const { mechanism } = setup().policy
    this.mechanism = mechanism
    this.handlers = Array.from({ length: mechanism.handlers }, () => new Handler(setup(), channel))
    this.workers = Array.from({ length: mechanism.workers }, () => new Worker(setup()))
    this.channel.onIdle = () => this.onPoint('idle')
  }

  get carriers(): readonly Carrier[] {
    return [...this.handlers, ...this.workers].map(({ carrier }) => carrier)
  }

  /** Does what must be done before vCPUs run, and lets them run. */
  begin(): void {
    for (const worker of this.workers) worker.begin()
    this.state.enter(PHASE_RUN)
  }

  /** Host pages that carriers have installed, by their own count. */
  get pagesInstalled(): number {
    return this.carriers.reduce((sum, { pagesInstalled }) => sum + pagesInstalled.reduce((a, b) => a + b), 0)
  }

  sum(of: (carrier: Carrier) => number): number {
    return this.carriers.reduce((total, carrier) => total + of(carrier), 0)
  }

  /** The byte that an eager load leaves at an offset of a host page. */
  eagerByte(page: number, offset: number): number {
    const block = blockOfHostPage(this.layout, page)
    return this.eager[block.index][(page - block.firstHostPage) * block.hostPageSize + offset]
  }

  /** Bytes of a host page that belong to its block. */
  pageBytes(page: number): number {
    const { block, firstHostPage, hostPageSize } = blockOfHostPage(this.layout, page)
    return Math.min(hostPageSize, block.usedLength - (page - firstHostPage) * hostPageSize)
  }

  /** The bytes of a host page that are in memory now. */
  bytesOf(page: number): Uint8Array {
    return this.vm.peek(this.map.addressOf(page), this.pageBytes(page))
  }

  /** As mincore(2): mapped, or in the page cache. */
  isPresent(address: number): boolean {
    if (this.vm.isPresent(address)) return true
    const memory = this.memories.find(
      ({ address: start, byteLength }) => address >= start && address < start + byteLength,
    )
    const file = memory?.file
    return file != null && file.cached(Math.floor((address - memory!.address) / file.pageSize)) !== undefined
  }

  /** One a carrier, as each thread has its own; time passes with the calls to the kernel. */
  #newPolicy(spec: Spec, workingSet: readonly number[] | null): Policy {
    const context = { layout: this.layout, workingSet: workingSet && Uint32Array.from(workingSet) }
    const policy = createPolicy(spec, context)
    policy.start?.({ nowNs: () => this.calls * 1000, faults: new FaultFeed(this.state.shared.faultFeed) })
    const onInstalled = (first: number, count: number): void => {
      this.installs.push([first, count])
      policy.onInstalled?.(first, count)
    }
    return { ...policy, onInstalled }
  }

  #files(): Pick<CarrierSetup, 'scratch' | 'snapshot' | 'workingSet'> {
    const largest = Math.max(...this.layout.blocks.map(({ hostPageSize }) => hostPageSize))
    const all = this.memories.reduce((sum, { byteLength }) => sum + byteLength, 0)
    const bytes = new Uint8Array(Math.max(largest, Math.min(MIB, all))).fill(0xdd)
    const address = this.vm.createBuffer(bytes)
    const zeroAddress = this.vm.createBuffer(new Uint8Array(largest))
    const reader = (file: ModelRead['file'], content: Uint8Array): PageReader => ({
      read: (offset, target, length) => {
        this.onPoint('read')
        this.onRead({ file, offset, length })
        if (offset + length > content.length) throw new Error(`${file}: found ${content.length} bytes`)
        bytes.set(content.subarray(offset, offset + length), target - address)
        this.onPoint('read')
      },
      close: () => {},
    })
    return {
      scratch: { address, bytes, zeroAddress },
      snapshot: reader('snapshot', this.#snapshotFile),
      workingSet: this.#workingSetFile && reader('working set', this.#workingSetFile),
    }
  }

  #workingSetBytes(pages: readonly number[]): Uint8Array {
    const recorded = pages.filter(page => testBit(this.layout.hasData, page))
    return Buffer.concat(
      recorded.map(page => {
        const { index, firstHostPage, hostPageSize } = blockOfHostPage(this.layout, page)
        const start = (page - firstHostPage) * hostPageSize
        const bytes = new Uint8Array(hostPageSize)
        bytes.set(this.eager[index].subarray(start, start + hostPageSize))
        return bytes
      }),
    )
  }

  /** Others can run before and after each call that changes something. */
  #observed(channel: ModelUserfaultfd): FaultChannel {
    return new Proxy(channel, {
      get: (target, name) => {
        const member = target[name as keyof ModelUserfaultfd]
        if (typeof member !== 'function') return member
        return (...given: unknown[]) => {
          this.calls++
          if (name !== 'poll') this.onPoint('call')
          const result = (member as (...given: unknown[]) => unknown).apply(target, given)
          // What the call has answered must stay readable, as each thread has an object of its own.
          const { bytesDone, errno } = target
          if (name !== 'poll') this.onPoint('call')
          Object.assign(target, { bytesDone, errno })
          return result
        }
      },
    })
  }
}

export async function createModelRestore(options: ModelRestoreOptions): Promise<ModelRestore> {
  const snapshot = snapshotOfBits(options.blocks)
  const file = snapshotFile(snapshot.blocks)
  const source = memorySource(file, 'bits')
  const layout = createLayout(
    { ...snapshot, source },
    {
      forBlock: block => {
        const { kind = 'anon', hostPageSize = PAGE } = options.blocks[snapshot.blocks.indexOf(block)]
        return { kind, hostPageSize }
      },
      checkAllUsed: () => {},
    },
  )
  return new ModelRestore(options, layout, file, await eagerLoad(layout.snapshot))
}

/** No byte of a stored page is zero, and no two pages are alike; slots of clear bits hold what nobody may read. */
function snapshotFile(blocks: readonly LayoutBlock['block'][]): Uint8Array {
  const { pagesOffset, usedLength } = blocks[blocks.length - 1]
  const file = new Uint8Array(pagesOffset + usedLength).fill(0xee, blocks[0].pagesOffset)
  const view = new DataView(file.buffer)
  let stored = 0
  for (const { bitmap, pageCount, pageSize, pagesOffset } of blocks) {
    for (let page = 0; page < pageCount; page++) {
      if (!testBit(bitmap, page)) continue
      const start = pagesOffset + page * pageSize
      stored++
      file.fill(1 + (stored % 200), start, start + pageSize)
      view.setUint32(start + 1, 0x01010101 + stored)
      view.setUint32(start + pageSize - 5, 0x01010101 + stored)
    }
  }
  return file
}
