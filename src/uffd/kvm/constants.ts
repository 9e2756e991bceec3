/**
 * The numbers of the KVM interface, under the kernel's names: Documentation/virt/kvm/api.rst and the public headers
 * linux/kvm.h and asm/kvm.h, for x86-64. Offsets are in bytes from the start of the struct.
 */

/** What KVM_GET_API_VERSION answers since 2007. */
export const KVM_API_VERSION = 12

/** On /dev/kvm. */
export const KVM_GET_API_VERSION = 0xae00
export const KVM_CREATE_VM = 0xae01
export const KVM_CHECK_EXTENSION = 0xae03
export const KVM_GET_VCPU_MMAP_SIZE = 0xae04
export const KVM_GET_SUPPORTED_CPUID = 0xc008ae05

/** On a VM. */
export const KVM_CREATE_VCPU = 0xae41
export const KVM_SET_USER_MEMORY_REGION = 0x4020ae46

/** On a vCPU. */
export const KVM_RUN = 0xae80
export const KVM_GET_REGS = 0x8090ae81
export const KVM_SET_REGS = 0x4090ae82
export const KVM_GET_SREGS = 0x8138ae83
export const KVM_SET_SREGS = 0x4138ae84
export const KVM_SET_SIGNAL_MASK = 0x4004ae8b
export const KVM_SET_CPUID2 = 0x4008ae90
export const KVM_GET_TSC_KHZ = 0xaea3

/** Extensions. SYNC_MMU: guest memory is this process's memory as it is now, which is what userfaultfd needs. */
export const KVM_CAP_SYNC_MMU = 16
export const KVM_CAP_GET_TSC_KHZ = 61

/** Why KVM_RUN came back. */
export const KVM_EXIT_IO = 2
export const KVM_EXIT_MMIO = 6
export const KVM_EXIT_SHUTDOWN = 8
export const KVM_EXIT_FAIL_ENTRY = 9
export const KVM_EXIT_INTERNAL_ERROR = 17
export const KVM_EXIT_MEMORY_FAULT = 39

/** struct kvm_run. What stands at 32 depends on the reason. */
export const RUN_EXIT_REASON = 8
export const RUN_IO_PORT = 34
export const RUN_IO_DATA_OFFSET = 40
export const RUN_MMIO_ADDRESS = 32
export const RUN_MMIO_IS_WRITE = 52
export const RUN_MEMORY_FAULT_ADDRESS = 40
export const RUN_HARDWARE_REASON = 32

/** struct kvm_regs: 64-bit words, in the order of this ABI. */
export const REGS_WORDS = 18
export const REG_RAX = 0
export const REG_RBX = 1
export const REG_RSI = 4
export const REG_RDI = 5
export const REG_R10 = 10
export const REG_R11 = 11
export const REG_RIP = 16
export const REG_RFLAGS = 17

/** struct kvm_sregs: eight segments (cs, ds, es, fs, gs, ss, tr, ldt), two descriptor tables, then control registers. */
export const SREGS_BYTES = 312
export const SEGMENT_BYTES = 24
export const SREGS_CR0 = 224
export const SREGS_CR3 = 240
export const SREGS_CR4 = 248
export const SREGS_EFER = 264

/** struct kvm_cpuid2: a count, padding, then entries of ten 32-bit words: function, index, flags, eax, ebx, ecx, edx … */
export const CPUID_HEADER_WORDS = 2
export const CPUID_ENTRY_WORDS = 10
export const CPUID_MOST_ENTRIES = 256
