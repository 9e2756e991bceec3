/**
 * One vCPU of a VM, for the thread that runs it. It is in long mode at privilege level 3 from the start, where ordinary
 * instructions, rdtsc and (by the I/O privilege level) `out` need no kernel. A hypervisor that interprets the code of a
 * small guest's kernel, 1 µs an instruction, still runs this natively.
 */
import { constants } from 'node:os'
import { LazyRestoreError } from '../../core/error.ts'
import { errnoName } from '../constants.ts'
import { type Libc, libc, viewMemory } from '../native.ts'
import {
  KVM_CREATE_VCPU,
  KVM_EXIT_FAIL_ENTRY,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_IO,
  KVM_EXIT_MEMORY_FAULT,
  KVM_EXIT_MMIO,
  KVM_EXIT_SHUTDOWN,
  KVM_GET_REGS,
  KVM_GET_SREGS,
  KVM_GET_TSC_KHZ,
  KVM_RUN,
  KVM_SET_CPUID2,
  KVM_SET_REGS,
  KVM_SET_SIGNAL_MASK,
  KVM_SET_SREGS,
  REGS_WORDS,
  RUN_EXIT_REASON,
  RUN_HARDWARE_REASON,
  RUN_IO_DATA_OFFSET,
  RUN_IO_PORT,
  RUN_MEMORY_FAULT_ADDRESS,
  RUN_MMIO_ADDRESS,
  RUN_MMIO_IS_WRITE,
  SEGMENT_BYTES,
  SREGS_BYTES,
  SREGS_CR0,
  SREGS_CR3,
  SREGS_CR4,
  SREGS_EFER,
} from './constants.ts'
import { answer, type VmHandle } from './vm.ts'

const { EINTR } = constants.errno
const PROT_READ_WRITE = 3
const MAP_SHARED = 1
/** Of the kernel's sigset_t: 64 signals. */
const SIGNAL_SET_BYTES = 8

/** Control registers for paging in long mode (Intel SDM vol. 3A, 2.5 and 11.8.5). */
const CR0_PROTECTED = 0x0000_0031 // protection, extension type, numeric errors
const CR0_PAGING = 0x8000_0000
const CR4_PHYSICAL_ADDRESS_EXTENSION = 0x20
const EFER_LONG_MODE = 0x500 // enabled and active
/** Bit 1 is always set; bits 12 and 13 let privilege level 3 do `out`. */
export const RFLAGS_AT_START = 0x3002n

export type VcpuExit =
  /** The guest did an `out`: `port` and `value`. */
  | 'out'
  /** A signal of the mask came. */
  | 'interrupted'
  /** It cannot go on: `failure` says why. */
  | 'failed'

export class Vcpu {
  port = 0
  value = 0
  failure = ''
  /** 64-bit words in the order of struct kvm_regs; see REG_*. */
  readonly registers = new BigUint64Array(REGS_WORDS)
  readonly #libc: Libc
  readonly #descriptor: number
  readonly #runAddress: number
  readonly #runBytes: number
  #run: DataView | null

  /** @param pageTables guest address of the top table. @throws LazyRestoreError `io` when the kernel refuses. */
  constructor(vm: VmHandle, index: number, pageTables: number) {
    const c = libc()
    this.#libc = c
    this.#descriptor = answer(c, c.ioctlWithNumber(vm.descriptor, KVM_CREATE_VCPU, index), `KVM_CREATE_VCPU ${index}`)
    this.#runBytes = vm.runBytes
    this.#runAddress = c.mmap(0, vm.runBytes, PROT_READ_WRITE, MAP_SHARED, this.#descriptor, 0)
    if (this.#runAddress === -1) {
      const errno = errnoName(c.errno())
      c.close(this.#descriptor)
      throw new LazyRestoreError('io', `kvm: mmap of kvm_run: found ${errno}, expected success`)
    }
    this.#run = new DataView(viewMemory(this.#runAddress, vm.runBytes))
    try {
      answer(c, c.ioctl(this.#descriptor, KVM_SET_CPUID2, vm.cpuid), 'KVM_SET_CPUID2')
      this.#enterLongMode(pageTables)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Ticks of the guest's TSC in a ms. @throws LazyRestoreError `unsupported` when the host's is not steady. */
  tscKhz(): number {
    const khz = this.#libc.ioctlWithNumber(this.#descriptor, KVM_GET_TSC_KHZ, 0)
    if (khz > 0) return khz
    throw new LazyRestoreError(
      'unsupported',
      'kvm: the rate of the TSC is not known, so a guest cannot time its accesses',
    )
  }

  /** Of all signals only these interrupt `run`: bit n - 1 for signal n. @throws LazyRestoreError `io` */
  setSignalMask(interrupting: bigint): void {
    // struct kvm_signal_mask: a 32-bit length, then the set of what is blocked, unaligned.
    const blocked = ~interrupting
    const mask = Uint32Array.of(
      SIGNAL_SET_BYTES,
      Number(blocked & 0xffff_ffffn),
      Number((blocked >> 32n) & 0xffff_ffffn),
    )
    answer(this.#libc, this.#libc.ioctl(this.#descriptor, KVM_SET_SIGNAL_MASK, mask), 'KVM_SET_SIGNAL_MASK')
  }

  /** Fills `registers`. @throws LazyRestoreError `io` */
  readRegisters(): void {
    answer(this.#libc, this.#libc.ioctl(this.#descriptor, KVM_GET_REGS, this.registers), 'KVM_GET_REGS')
  }

  /** Sets all of `registers`. @throws LazyRestoreError `io` */
  writeRegisters(): void {
    answer(this.#libc, this.#libc.ioctl(this.#descriptor, KVM_SET_REGS, this.registers), 'KVM_SET_REGS')
  }

  /** Runs the guest until it exits. This thread sleeps while a page that the guest accesses is missing. */
  run(): VcpuExit {
    if (this.#run === null) throw new LazyRestoreError('usage', 'vCPU: found it closed, expected it open')
    if (this.#libc.ioctlWithNumber(this.#descriptor, KVM_RUN, 0) < 0) {
      const errno = this.#libc.errno()
      if (errno === EINTR) return 'interrupted'
      this.failure = this.#describeRefusal(this.#run, errno)
      return 'failed'
    }
    if (this.#run.getUint32(RUN_EXIT_REASON, true) === KVM_EXIT_IO) {
      this.port = this.#run.getUint16(RUN_IO_PORT, true)
      this.value = this.#run.getUint32(Number(this.#run.getBigUint64(RUN_IO_DATA_OFFSET, true)), true)
      return 'out'
    }
    this.failure = describeExit(this.#run)
    return 'failed'
  }

  /** May be called twice. */
  close(): void {
    if (this.#run === null) return
    this.#run = null
    this.#libc.munmap(this.#runAddress, this.#runBytes)
    this.#libc.close(this.#descriptor)
  }

  #enterLongMode(pageTables: number): void {
    const sregs = new Uint8Array(SREGS_BYTES)
    answer(this.#libc, this.#libc.ioctl(this.#descriptor, KVM_GET_SREGS, sregs), 'KVM_GET_SREGS')
    const view = new DataView(sregs.buffer)
    writeSegment(view, 0, { selector: 0x33, type: 11, isCode: true })
    for (let index = 1; index <= 5; index++) writeSegment(view, index, { selector: 0x2b, type: 3, isCode: false })
    view.setBigUint64(SREGS_CR0, BigInt(CR0_PROTECTED + CR0_PAGING), true)
    view.setBigUint64(SREGS_CR3, BigInt(pageTables), true)
    view.setBigUint64(SREGS_CR4, BigInt(CR4_PHYSICAL_ADDRESS_EXTENSION), true)
    view.setBigUint64(SREGS_EFER, BigInt(EFER_LONG_MODE), true)
    answer(this.#libc, this.#libc.ioctl(this.#descriptor, KVM_SET_SREGS, sregs), 'KVM_SET_SREGS')
  }

  #describeRefusal(run: DataView, errno: number): string {
    if (run.getUint32(RUN_EXIT_REASON, true) !== KVM_EXIT_MEMORY_FAULT) return `KVM_RUN: found ${errnoName(errno)}`
    return `${errnoName(errno)} at guest address ${hex(run.getBigUint64(RUN_MEMORY_FAULT_ADDRESS, true))}`
  }
}

interface Segment {
  readonly selector: number
  readonly type: number
  readonly isCode: boolean
}

/** A flat segment of privilege level 3: struct kvm_segment. */
function writeSegment(view: DataView, index: number, { selector, type, isCode }: Segment): void {
  const at = index * SEGMENT_BYTES
  view.setBigUint64(at, 0n, true) // base
  view.setUint32(at + 8, 0xffff_ffff, true) // limit
  view.setUint16(at + 12, selector, true)
  // type, present, privilege level, 32-bit, not a system segment, 64-bit, limit in pages, available, unusable, padding
  const bytes = [type, 1, 3, isCode ? 0 : 1, 1, isCode ? 1 : 0, 1, 0, 0, 0]
  for (const [offset, byte] of bytes.entries()) view.setUint8(at + 14 + offset, byte)
}

function describeExit(run: DataView): string {
  const reason = run.getUint32(RUN_EXIT_REASON, true)
  switch (reason) {
    case KVM_EXIT_MMIO: {
      const access = run.getUint8(RUN_MMIO_IS_WRITE) === 0 ? 'read' : 'write'
      const address = hex(run.getBigUint64(RUN_MMIO_ADDRESS, true))
      return `${access} of guest address ${address}: found no memory, or a poisoned page`
    }
    case KVM_EXIT_SHUTDOWN:
      return 'found a shutdown (an exception in the guest)'
    case KVM_EXIT_FAIL_ENTRY:
      return `found the CPU refusing the guest's state, reason ${hex(run.getBigUint64(RUN_HARDWARE_REASON, true))}`
    case KVM_EXIT_INTERNAL_ERROR:
      return `found an internal error of KVM, number ${run.getUint32(RUN_HARDWARE_REASON, true)}`
    default:
      return `found exit reason ${reason}, expected an out instruction`
  }
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`
}
