/** Native threads that do one thing each, watched through /proc until they have done it or sleep in userfaultfd. */
import { readFileSync, readSync, writeSync } from 'node:fs'
import { LazyRestoreError } from '../../../core/error.ts'
import { errnoName } from '../../constants.ts'
import { libc } from '../../native.ts'
import { PAGE_SIZE } from '../numbers.ts'
import * as sys from './system-calls.ts'
import { ACTION_SYSTEM_CALL, BLOCK, HANDLER_OFFSET, RESTORER_OFFSET, RETURN_OFFSET, threadCode } from './thread-code.ts'

const BLOCKS_BYTES = 1 << 16
const MOST_ACTIONS = BLOCKS_BYTES / BLOCK.size
/** Longest wait for threads to get where they sleep or end. */
const SETTLE_LIMIT_MS = 5000
const SIGNALS: ReadonlyMap<number, string> = new Map([
  [sys.SIGBUS, 'SIGBUS'],
  [sys.SIGSEGV, 'SIGSEGV'],
])

export interface HostAction {
  readonly action: number
  readonly systemCall?: number
  readonly arguments: readonly number[]
  /** Turns the result of a system call that went well, or the value of a load, into the answer. */
  readonly describe: (result: bigint) => string
}

interface HostThread {
  readonly block: number
  readonly action: HostAction
  ending: string | null
  threadId: number
}

export class HostThreads {
  readonly #memory: number
  readonly #blocksAddress: number
  readonly #codeAddress: number
  readonly #block = Buffer.alloc(BLOCK.size)
  readonly #threads = new Map<string, HostThread>()
  readonly #names = new Map<number, string>()
  readonly #pause = new Int32Array(new SharedArrayBuffer(4))
  readonly #handle = new BigUint64Array(1)
  #actions = 0

  constructor() {
    const code = threadCode()
    this.#memory = sys.createMemoryFile()
    writeSync(this.#memory, code, 0, code.length, BLOCKS_BYTES)
    writeSync(this.#memory, Buffer.alloc(BLOCKS_BYTES), 0, BLOCKS_BYTES, 0)
    const map = (length: number, protection: number, offset: number) =>
      sys.must('mmap', libc().mmap(0, length, protection, sys.MAP_SHARED, this.#memory, offset))
    this.#blocksAddress = map(BLOCKS_BYTES, sys.PROT_READ | sys.PROT_WRITE, 0)
    this.#codeAddress = map(PAGE_SIZE, sys.PROT_READ | sys.PROT_EXEC, BLOCKS_BYTES)
    this.#catchSignals()
  }

  #catchSignals(): void {
    for (const signal of SIGNALS.keys()) this.#catch(signal, HANDLER_OFFSET)
    this.#catch(sys.SIGUSR2, RETURN_OFFSET)
  }

  /** struct sigaction of the kernel: handler, flags, restorer, mask; written into the last block. */
  #catch(signal: number, handlerOffset: number): void {
    const offset = BLOCKS_BYTES - BLOCK.size
    const flags = sys.SA_SIGINFO | sys.SA_RESTORER | sys.SA_NODEFER
    const words = [this.#codeAddress + handlerOffset, flags, this.#codeAddress + RESTORER_OFFSET, 0]
    const bytes = Buffer.alloc(32)
    for (const [index, word] of words.entries()) bytes.writeBigUInt64LE(BigInt(word), index * 8)
    writeSync(this.#memory, bytes, 0, bytes.length, offset)
    sys.must('rt_sigaction', sys.systemCall(sys.SYS_RT_SIGACTION, signal, this.#blocksAddress + offset, 0, 8))
  }

  /** Sends a signal to a thread that sleeps, and waits until it has handled it and is where it sleeps or ends. */
  signal(name: string): string {
    const { threadId } = this.#threads.get(name)!
    sys.must('tgkill', sys.systemCall(sys.SYS_TGKILL, process.pid, threadId, sys.SIGUSR2))
    const deadline = Date.now() + SETTLE_LIMIT_MS
    while (hasPendingSignal(threadId)) {
      if (Date.now() > deadline)
        throw new LazyRestoreError('io', `thread ${name}: found its signal pending, expected it handled`)
      Atomics.wait(this.#pause, 0, 0, 0.05)
    }
    this.settle()
    return 'ok'
  }

  start(name: string, action: HostAction): string {
    const block = (this.#actions++ % (MOST_ACTIONS - 1)) * BLOCK.size
    const bytes = Buffer.alloc(BLOCK.size)
    bytes.writeBigUInt64LE(BigInt(action.action), BLOCK.action)
    bytes.writeBigUInt64LE(BigInt(action.systemCall ?? 0), BLOCK.systemCall)
    for (const [index, value] of action.arguments.entries()) {
      bytes.writeBigInt64LE(BigInt(value), BLOCK.arguments + 8 * index)
    }
    writeSync(this.#memory, bytes, 0, bytes.length, block)
    const thread: HostThread = { block, action, ending: null, threadId: 0 }
    this.#threads.set(name, thread)
    const error = libc().pthread_create(this.#handle, 0, this.#codeAddress, this.#blocksAddress + block)
    if (error !== 0) throw new LazyRestoreError('io', `pthread_create: found ${errnoName(error)}, expected success`)
    this.settle()
    this.#names.set(thread.threadId, name)
    return this.progress(name)
  }

  names(): readonly string[] {
    return [...this.#threads.keys()]
  }

  nameOf(threadId: number): string {
    return this.#names.get(threadId) ?? '?'
  }

  progress(name: string): string {
    const thread = this.#threads.get(name)
    return thread === undefined ? 'idle' : (thread.ending ?? 'blocked')
  }

  /** Waits until every thread has ended or sleeps. */
  settle(): void {
    const deadline = Date.now() + SETTLE_LIMIT_MS
    for (const [name, thread] of this.#threads) {
      while (!this.#isSettled(thread)) {
        if (Date.now() > deadline) throw new LazyRestoreError('io', `thread ${name}: found running, expected asleep`)
        Atomics.wait(this.#pause, 0, 0, 0.05)
      }
    }
  }

  /** Waits until every thread has ended, and forgets them. */
  finish(): void {
    const deadline = Date.now() + SETTLE_LIMIT_MS
    for (const [name, thread] of this.#threads) {
      while (!this.#hasEnded(thread)) {
        if (Date.now() > deadline) throw new LazyRestoreError('io', `thread ${name}: found asleep, expected ended`)
        Atomics.wait(this.#pause, 0, 0, 0.05)
      }
    }
    this.#threads.clear()
    this.#names.clear()
    this.#actions = 0
  }

  #isSettled(thread: HostThread): boolean {
    // Asleep first, ended second: between the two it can only have woken, and then it is looked at again.
    return this.#hasEnded(thread) || this.#isAsleep(thread)
  }

  #hasEnded(thread: HostThread): boolean {
    if (thread.ending !== null) return true
    const block = this.#block
    readSync(this.#memory, block, 0, BLOCK.size, thread.block)
    thread.threadId = block.readUInt32LE(BLOCK.threadId)
    if (block.readUInt32LE(BLOCK.done) === 0) return false
    thread.ending = this.#describe(thread.action, block)
    return true
  }

  #describe(action: HostAction, block: Buffer): string {
    const signal = block.readUInt32LE(BLOCK.signal)
    if (signal !== 0) return SIGNALS.get(signal) ?? `signal ${signal}`
    const result = block.readBigInt64LE(BLOCK.result)
    if (action.action === ACTION_SYSTEM_CALL && result < 0n) return errnoName(Number(-result))
    return action.describe(result)
  }

  #isAsleep({ threadId }: HostThread): boolean {
    if (threadId === 0) return false
    try {
      const place = readFileSync(`/proc/self/task/${threadId}/wchan`, 'latin1')
      return place === 'handle_userfault' || place === 'userfaultfd_event_wait_completion'
    } catch {
      return false // it has just ended
    }
  }
}

/** It leaves where it sleeps before the signal counts as taken. */
function hasPendingSignal(threadId: number): boolean {
  try {
    const status = readFileSync(`/proc/self/task/${threadId}/status`, 'latin1')
    return Number(`0x${/^SigPnd:\s*([0-9a-f]+)$/m.exec(status)?.[1]}`) !== 0
  } catch {
    return false // it has just ended
  }
}
