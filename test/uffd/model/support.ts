/** A process of the model kernel with registered memory, and a handler of the simplest kind. */
import { constants } from 'node:os'
import { UFFD_EVENT_PAGEFAULT, UFFDIO_REGISTER_MODE_MISSING } from '../../../src/uffd/constants.ts'
import type { FaultChannel } from '../../../src/uffd/kernel.ts'
import { createMessageBuffer } from '../../../src/uffd/message-buffer.ts'
import { ModelKernel, type ModelKernelOptions } from '../../../src/uffd/model/model-kernel.ts'
import type { ModelMemory, ModelMemoryOptions } from '../../../src/uffd/model/model-memory.ts'
import type { ModelProcess } from '../../../src/uffd/model/model-process.ts'
import type { ModelUserfaultfd } from '../../../src/uffd/model/model-userfaultfd.ts'

export const PAGE = 4096
export const HUGE = 2 * 1024 * 1024

export interface ModelRig {
  readonly kernel: ModelKernel
  readonly vm: ModelProcess
  readonly memory: ModelMemory
  readonly channel: ModelUserfaultfd
  /** Address of as many bytes as the memory has, byte i + 1 in all of page i. */
  readonly source: number
  page(index: number): number
}

export interface ModelRigOptions extends ModelKernelOptions, Partial<ModelMemoryOptions> {
  readonly pages?: number
  readonly features?: number
  readonly mode?: number
}

export function createModelRig(options: ModelRigOptions = {}): ModelRig {
  const { kind = 'anon', hostPageSize = PAGE, pages = 8, features = 0, mode = UFFDIO_REGISTER_MODE_MISSING } = options
  const kernel = new ModelKernel(options)
  const vm = kernel.createProcess()
  const memory = vm.createMemory({ kind, hostPageSize, byteLength: pages * hostPageSize })
  const bytes = new Uint8Array(memory.byteLength)
  for (let i = 0; i < pages; i++) bytes.fill(i + 1, i * hostPageSize, (i + 1) * hostPageSize)
  const source = vm.createBuffer(bytes)
  const channel = kernel.createUserfaultfd(vm)
  channel.api(features)
  channel.register(memory.address, memory.byteLength, mode)
  return { kernel, vm, memory, channel, source, page: index => memory.address + index * hostPageSize }
}

export interface Message {
  readonly event: number
  readonly flags: number
  readonly address: number
  readonly end: number
}

export function readAll(channel: FaultChannel): Message[] {
  const buffer = createMessageBuffer(16)
  const count = channel.read(buffer)
  return Array.from({ length: count }, (_, i) => ({
    event: buffer.event[i],
    flags: buffer.flags[i],
    address: buffer.address[i],
    end: buffer.end[i],
  }))
}

/**
 * Answers faults until nothing is asked any more: COPY of the page, WAKE after EEXIST, again after EAGAIN.
 * @returns the calls of COPY that it took
 */
export function resolveAll({ channel, memory, source }: ModelRig, most = 1000): number {
  let copies = 0
  while (channel.poll(0) || channel.errno === constants.errno.EINTR) {
    for (const { event, address } of readAll(channel)) {
      if (event !== UFFD_EVENT_PAGEFAULT) continue
      for (;;) {
        if (++copies > most) throw new Error(`found no end after ${most} calls of COPY`)
        const outcome = channel.copy(address, source + address - memory.address, memory.hostPageSize, 0)
        if (outcome === 'exists') channel.wake(address, memory.hostPageSize)
        if (outcome === 'failed') throw new Error(`found errno ${channel.errno}`)
        if (outcome !== 'retry') break
      }
    }
  }
  return copies
}
