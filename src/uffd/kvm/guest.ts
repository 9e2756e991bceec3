/**
 * A guest: a VM over memory of this process, the guest's code and page tables, and a list per vCPU. The thread that owns it
 * writes the lists, sends each vCPU's thread its job, reads the results, and closes it when those threads have ended.
 *
 *     const guest = new Guest([{ address: region.address, byteLength: region.byteLength, hostPageSize: 4096 }], [accesses])
 *     writeAccesses(guest.list(0), workload, 0, accesses, page => guest.addressOf(0, page * 4096))
 *     const job = guest.job(0, 'walk') // for runGuestVcpu, on the thread of vCPU 0
 */
import { LazyRestoreError } from '../../core/error.ts'
import { assemble } from '../assembler.ts'
import { MemoryRegion } from '../memory-region.ts'
import { ENTRY_BYTES, ENTRY_WORDS } from './guest-lists.ts'
import { CODE_ADDRESS, type GuestMap, type HostMemory, planGuestMap, writePageTables } from './guest-map.ts'
import { GUEST_CODE, type GuestProgram } from './machine-code.ts'
import { Vm, type VmHandle } from './vm.ts'

const SMALL_PAGE = 4096

/** Memory of this process and where the guest sees it. */
export interface GuestBlock extends HostMemory {
  readonly guestAddress: number
}

/** What one vCPU is to do. Plain data. */
export interface GuestJob {
  readonly vm: VmHandle
  readonly vcpu: number
  readonly program: Extract<GuestProgram, 'walk' | 'fold'>
  /** Host address and guest address of the list. */
  readonly list: { readonly address: number; readonly guestAddress: number; readonly entries: number }
  readonly blocks: readonly GuestBlock[]
  /** One word: the thread's id while it can be interrupted, else 0. */
  readonly threadId: Int32Array
}

export class Guest {
  readonly blocks: readonly GuestBlock[]
  readonly #map: GuestMap
  readonly #entries: readonly number[]
  readonly #vm: Vm
  readonly #low: MemoryRegion
  readonly #lists: MemoryRegion[] = []

  /**
   * @param memory its RAM blocks. They must outlive the guest.
   * @param entries of the list of each vCPU
   * @throws LazyRestoreError `unsupported`: no guest can run here; `limit`: too much memory; `io`: the kernel refuses.
   */
  constructor(memory: readonly HostMemory[], entries: readonly number[]) {
    this.#map = planGuestMap(memory, entries)
    const { lowBytes, listAddress, listBytes, blockAddress } = this.#map
    this.blocks = memory.map((block, index) => ({ ...block, guestAddress: blockAddress[index] }))
    this.#entries = entries
    this.#low = new MemoryRegion({ kind: 'anon', hostPageSize: SMALL_PAGE, byteLength: lowBytes })
    this.#vm = vmBeside(this.#low)
    try {
      const low = this.#low.view(0, lowBytes)
      low.set(assemble(GUEST_CODE).bytes, CODE_ADDRESS)
      writePageTables(low, this.#map.end)
      this.#vm.addMemory(0, this.#low.address, lowBytes)
      for (const [vcpu, byteLength] of listBytes.entries()) {
        this.#lists.push(new MemoryRegion({ kind: 'anon', hostPageSize: SMALL_PAGE, byteLength }))
        this.#vm.addMemory(listAddress[vcpu], this.#lists[vcpu].address, byteLength)
      }
      for (const { guestAddress, address, byteLength } of this.blocks) {
        this.#vm.addMemory(guestAddress, address, byteLength)
      }
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Guest address of a byte of a block. */
  addressOf(block: number, offset: number): number {
    return this.#map.blockAddress[block] + offset
  }

  /** The list of a vCPU, ENTRY_WORDS words an entry. Good until `close`; an access after that ends the process. */
  list(vcpu: number): Uint32Array {
    const bytes = this.#listOf(vcpu).view(0, this.#entries[vcpu] * ENTRY_BYTES)
    return new Uint32Array(bytes.buffer, bytes.byteOffset, this.#entries[vcpu] * ENTRY_WORDS)
  }

  /** The job of a vCPU: to work through its list. Each may be run once in the life of a guest. */
  job(vcpu: number, program: GuestJob['program']): GuestJob {
    const guestAddress = this.#map.listAddress[vcpu]
    return {
      vm: this.#vm.handle,
      vcpu,
      program,
      list: { address: this.#listOf(vcpu).address, guestAddress, entries: this.#entries[vcpu] },
      blocks: this.blocks,
      threadId: new Int32Array(new SharedArrayBuffer(4)),
    }
  }

  /** Only after the threads of its vCPUs have ended. May be called twice. */
  close(): void {
    this.#vm.close()
    this.#low.close()
    for (const list of this.#lists) list.close()
  }

  #listOf(vcpu: number): MemoryRegion {
    const list = this.#lists[vcpu]
    if (list !== undefined) return list
    throw new LazyRestoreError('usage', `vCPU: found number ${vcpu}, expected 0 to ${this.#lists.length - 1}`)
  }
}

/** Without one the memory goes too. */
function vmBeside(memory: MemoryRegion): Vm {
  try {
    return new Vm()
  } catch (error) {
    memory.close()
    throw error
  }
}
