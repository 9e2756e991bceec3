/**
 * Signals of a thread that runs a vCPU. The thread blocks two that only KVM_RUN lets in (KVM_SET_SIGNAL_MASK): KVM_RUN then
 * comes back, and the signal stays pending until it is taken here (sigtimedwait(3)). No handler runs and none is
 * lost, whether it comes before, during or after KVM_RUN.
 *
 * - SIGURG: another thread wants this one to look at its orders. The default action is to ignore it, so a late one is harmless.
 * - SIGBUS: KVM found a poisoned page under the guest, and says where.
 */
import { constants } from 'node:os'
import { type Libc, libc } from '../native.ts'

const { SIGBUS, SIGURG } = constants.signals
const SIG_BLOCK = 0
/** glibc's and musl's sigset_t. */
const SIGNAL_SET_WORDS = 16
/** siginfo_t: 128 bytes, the address of a fault behind four 32-bit words. */
const SIGINFO_WORDS = 16
const SIGINFO_ADDRESS = 2
const SYS_TGKILL = 234

/** Bit n - 1 for signal n. */
export const VCPU_SIGNALS = (1n << BigInt(SIGBUS - 1)) | (1n << BigInt(SIGURG - 1))

/** Makes a vCPU's KVM_RUN come back, now or at its next call. @param threadId of the thread that runs it, not ended */
export function interruptVcpu(threadId: number): void {
  libc().syscall(SYS_TGKILL, process.pid, threadId, SIGURG, 0, 0, 0)
}

export class VcpuSignals {
  /** Host address of the poisoned page, after `take` answered 'poison'. */
  poisonAddress = 0
  readonly #libc: Libc = libc()
  readonly #set = new BigUint64Array(SIGNAL_SET_WORDS)
  readonly #info = new BigUint64Array(SIGINFO_WORDS)
  readonly #noTime = new BigInt64Array(2)

  /** Blocks the signals in this thread, for as long as it lives. */
  constructor() {
    this.#set[0] = VCPU_SIGNALS
    this.#libc.pthread_sigmask(SIG_BLOCK, this.#set, new BigUint64Array(SIGNAL_SET_WORDS))
  }

  /** Takes a pending signal; null when there is none. */
  take(): 'interrupt' | 'poison' | null {
    const signal = this.#libc.sigtimedwait(this.#set, this.#info, this.#noTime)
    if (signal !== SIGBUS) return signal === SIGURG ? 'interrupt' : null
    this.poisonAddress = Number(this.#info[SIGINFO_ADDRESS])
    return 'poison'
  }
}
