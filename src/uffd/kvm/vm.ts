/**
 * A virtual machine of the kernel (Documentation/virt/kvm/api.rst): memory that guest addresses lead to. Its vCPUs belong to
 * the threads that run them: those get the plain data of `handle` and make a `Vcpu`.
 */
import { closeSync, openSync } from 'node:fs'
import { constants } from 'node:os'
import { LazyRestoreError } from '../../core/error.ts'
import { formatBytes } from '../../core/units.ts'
import { errnoName } from '../constants.ts'
import { type Libc, libc } from '../native.ts'
import {
  CPUID_ENTRY_WORDS,
  CPUID_HEADER_WORDS,
  CPUID_MOST_ENTRIES,
  KVM_API_VERSION,
  KVM_CAP_GET_TSC_KHZ,
  KVM_CAP_SYNC_MMU,
  KVM_CHECK_EXTENSION,
  KVM_CREATE_VM,
  KVM_GET_API_VERSION,
  KVM_GET_SUPPORTED_CPUID,
  KVM_GET_VCPU_MMAP_SIZE,
  KVM_SET_USER_MEMORY_REGION,
} from './constants.ts'

const DEVICE = '/dev/kvm'
const CREATE_ATTEMPTS = 100
const { EINTR } = constants.errno
/** The leaf whose eax says how many bits a guest-physical address has, in its lowest byte. */
const CPUID_ADDRESS_BITS = 0x80000008

/** What a thread needs to make a vCPU. Plain data. */
export interface VmHandle {
  readonly descriptor: number
  /** Bytes of struct kvm_run and what follows it. */
  readonly runBytes: number
  /** struct kvm_cpuid2: the features of this host that a guest may have. */
  readonly cpuid: Uint32Array
}

export class Vm {
  readonly handle: VmHandle
  readonly #libc: Libc
  readonly #addressEnd: number
  #slots = 0
  #closed = false

  /** @throws LazyRestoreError `unsupported`: one line that says what is missing and how to get it. */
  constructor() {
    if (process.arch !== 'x64') {
      throw new LazyRestoreError('unsupported', `kvm: the guest is x86-64 code, found ${process.arch}`)
    }
    const c = libc()
    this.#libc = c
    const device = openDevice()
    try {
      checkDevice(c, device)
      const cpuid = supportedCpuid(c, device)
      this.#addressEnd = 2 ** addressBits(cpuid)
      const runBytes = answer(c, c.ioctlWithNumber(device, KVM_GET_VCPU_MMAP_SIZE, 0), 'KVM_GET_VCPU_MMAP_SIZE')
      const descriptor = createVm(c, device)
      this.handle = { descriptor, runBytes, cpuid }
    } finally {
      closeSync(device)
    }
  }

  /**
   * Lets guest addresses lead to memory of this process. All three are multiples of 4096.
   * @throws LazyRestoreError `limit` when this host's guest addresses end below; `io` when the kernel refuses.
   */
  addMemory(guestAddress: number, address: number, byteLength: number): void {
    const end = guestAddress + byteLength
    if (end > this.#addressEnd) {
      const most = formatBytes(this.#addressEnd)
      throw new LazyRestoreError('limit', `kvm: found guest memory up to ${formatBytes(end)}, expected at most ${most}`)
    }
    // struct kvm_userspace_memory_region: slot and flags of 32 bits, then three 64-bit words.
    const region = BigUint64Array.of(BigInt(this.#slots++), BigInt(guestAddress), BigInt(byteLength), BigInt(address))
    const result = this.#libc.ioctl(this.handle.descriptor, KVM_SET_USER_MEMORY_REGION, region)
    answer(this.#libc, result, `KVM_SET_USER_MEMORY_REGION of ${formatBytes(byteLength)}`)
  }

  /** The kernel ends the VM when its vCPUs are closed too. May be called twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#libc.close(this.handle.descriptor)
  }
}

/** Why no guest can run here, in one line with what to do about it; null when one can. */
export function kvmReason(): string | null {
  try {
    new Vm().close()
    return null
  } catch (error) {
    return (error as Error).message
  }
}

/** The result of a KVM call, if it is one. @throws LazyRestoreError `io` */
export function answer(c: Libc, result: number, call: string): number {
  if (result >= 0) return result
  throw new LazyRestoreError('io', `kvm: ${call}: found ${errnoName(c.errno())}, expected success`)
}

/** Takes all locks of the address space, and gives up (EINTR) when a signal comes meanwhile: mm_take_all_locks, mm/mmap.c. */
function createVm(c: Libc, device: number): number {
  for (let attempt = 1; ; attempt++) {
    const descriptor = c.ioctlWithNumber(device, KVM_CREATE_VM, 0)
    if (descriptor >= 0 || c.errno() !== EINTR || attempt === CREATE_ATTEMPTS)
      return answer(c, descriptor, 'KVM_CREATE_VM')
  }
}

function openDevice(): number {
  try {
    return openSync(DEVICE, 'r+')
  } catch (cause) {
    throw new LazyRestoreError('unsupported', refusalReason(cause as NodeJS.ErrnoException), { cause })
  }
}

function refusalReason({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOENT':
      return `kvm: no ${DEVICE}; run as root: modprobe kvm_intel, or kvm_amd (in a VM: needs nested virtualisation)`
    case 'EACCES':
      return 'kvm: not permitted; run as root: usermod -aG kvm $USER, and log in again'
    default:
      return `kvm: ${DEVICE}: ${message}`
  }
}

function checkDevice(c: Libc, device: number): void {
  const version = c.ioctlWithNumber(device, KVM_GET_API_VERSION, 0)
  if (version !== KVM_API_VERSION) {
    throw new LazyRestoreError('unsupported', `kvm: found API version ${version}, expected ${KVM_API_VERSION}`)
  }
  const has = (extension: number) => c.ioctlWithNumber(device, KVM_CHECK_EXTENSION, extension) > 0
  if (!has(KVM_CAP_SYNC_MMU)) {
    throw new LazyRestoreError('unsupported', 'kvm: guest memory is not kept the same as host memory (no SYNC_MMU)')
  }
  if (!has(KVM_CAP_GET_TSC_KHZ)) {
    throw new LazyRestoreError('unsupported', 'kvm: the rate of the guest clock cannot be asked for (no GET_TSC_KHZ)')
  }
}

function supportedCpuid(c: Libc, device: number): Uint32Array {
  const cpuid = new Uint32Array(CPUID_HEADER_WORDS + CPUID_MOST_ENTRIES * CPUID_ENTRY_WORDS)
  cpuid[0] = CPUID_MOST_ENTRIES
  answer(c, c.ioctl(device, KVM_GET_SUPPORTED_CPUID, cpuid), 'KVM_GET_SUPPORTED_CPUID')
  return cpuid.slice(0, CPUID_HEADER_WORDS + cpuid[0] * CPUID_ENTRY_WORDS)
}

function addressBits(cpuid: Uint32Array): number {
  for (let at = CPUID_HEADER_WORDS; at < cpuid.length; at += CPUID_ENTRY_WORDS) {
    if (cpuid[at] === CPUID_ADDRESS_BITS) return cpuid[at + 3] & 0xff
  }
  return 36 // what a CPU without that leaf has
}
