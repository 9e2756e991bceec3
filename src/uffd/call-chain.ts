/**
 * System calls one after the other, at one crossing from JavaScript: each is made only if the one before it answered what was
 * expected (what io_uring calls linked requests, IOSQE_IO_LINK in io_uring_enter(2); it has no ioctl(2)). A crossing costs as
 * much as a short system call, more where the kernel leaves caches cold, so a handler that makes four calls a fault spends most
 * of its own time on crossings.
 *
 * On x86-64 some thirty instructions walk over the rows, which the caller fills; elsewhere the same calls are made one by one.
 */
import { at, type CodeLine, jump } from './assembler.ts'
import { littleEndian, loadCode } from './loaded-code.ts'
import type { MemoryRegion } from './memory-region.ts'
import { addressOf, functionAt, type Libc, libc } from './native.ts'

/** The calls that a row can make, and their numbers on x86-64 (arch/x86/entry/syscalls/syscall_64.tbl). */
export const CALL_READ = 0
export const CALL_POLL = 7
export const CALL_IOCTL = 16
export const CALL_PREAD = 17
export type ChainedCall = typeof CALL_READ | typeof CALL_POLL | typeof CALL_IOCTL | typeof CALL_PREAD

/** 64-bit words before the rows: where the first row of a run is, in bytes from row 0 on; its rows; how many answered as expected before one did not. */
const [FIRST, COUNT, DONE] = [0, 1, 2]
const HEAD_WORDS = 3
/** A row in 64-bit words: number, four arguments, answer, what is expected of it. */
const ROW_WORDS = 7
const [CALL, ARGUMENTS, ANSWER, EXPECTED] = [0, 1, 5, 6]
/** Room for the struct that a row's call takes, in 64-bit words: struct uffdio_copy has five. */
const STRUCT_WORDS = 5

/** `void run(void)` over the words at an address: parameters and results in memory are less work for both sides. */
export const chainCode = (address: number): readonly CodeLine[] => [
  ['53', 'push rbx'],
  ['55', 'push rbp'],
  ['41 54', 'push r12'],
  [`48 bb ${littleEndian(address)}`, `movabs rbx, ${address}`],
  ['48 8b 03', 'mov rax, [rbx]'], // FIRST
  ['48 8b 6b 08', 'mov rbp, [rbx + 8]'], // COUNT
  ['48 8d 5c 03 18', 'lea rbx, [rbx + rax + 24]'], // the row
  ['45 31 e4', 'xor r12d, r12d'], // rows that are done
  at('next'),
  ['41 39 ec', 'cmp r12d, ebp'],
  jump('74', 'je', 'done'),
  ['48 8b 03', 'mov rax, [rbx]'],
  ['48 8b 7b 08', 'mov rdi, [rbx + 8]'],
  ['48 8b 73 10', 'mov rsi, [rbx + 16]'],
  ['48 8b 53 18', 'mov rdx, [rbx + 24]'],
  ['4c 8b 53 20', 'mov r10, [rbx + 32]'],
  ['0f 05', 'syscall'],
  ['48 89 43 28', 'mov [rbx + 40], rax'], // -errno where it failed
  ['48 3b 43 30', 'cmp rax, [rbx + 48]'],
  jump('75', 'jne', 'done'),
  ['41 ff c4', 'inc r12d'],
  ['48 83 c3 38', 'add rbx, 56'],
  jump('eb', 'jmp', 'next'),
  at('done'),
  [`48 bb ${littleEndian(address)}`, `movabs rbx, ${address}`],
  ['4c 89 63 10', 'mov [rbx + 16], r12'], // DONE
  ['41 5c', 'pop r12'],
  ['5d', 'pop rbp'],
  ['5b', 'pop rbx'],
  ['c3', 'ret'],
]

export class CallChain {
  readonly #libc: Libc = libc()
  readonly #words: Uint32Array
  readonly #answers: Int32Array
  readonly #structs: Uint32Array
  readonly #structsAddress: number
  /** The words' values, by which `set` knows what is new. */
  readonly #values: Float64Array
  readonly #code: MemoryRegion | null
  readonly #run: (() => void) | null

  /**
   * @param native false: without machine code of its own, as on other architectures
   * @throws LazyRestoreError `unsupported` without koffi
   */
  constructor(rows: number, native = process.arch === 'x64') {
    this.#words = new Uint32Array((HEAD_WORDS + rows * ROW_WORDS) * 2)
    this.#answers = new Int32Array(this.#words.buffer)
    this.#structs = new Uint32Array(rows * STRUCT_WORDS * 2)
    this.#structsAddress = addressOf(this.#structs)
    this.#values = new Float64Array(HEAD_WORDS + rows * ROW_WORDS)
    this.#code = native ? loadCode(chainCode(addressOf(this.#words))) : null
    this.#run = this.#code === null ? null : functionAt(this.#code.address)
  }

  /** Fills a row. What it points to must stay where it is. @param expected the answer after which the chain goes on; -errno: a failure */
  set(row: number, call: ChainedCall, expected: number, a: number, b: number, c: number, d = 0): void {
    const start = startOf(row)
    this.#put(start + CALL, call)
    this.#put(start + ARGUMENTS, a)
    this.#put(start + ARGUMENTS + 1, b)
    this.#put(start + ARGUMENTS + 2, c)
    this.#put(start + ARGUMENTS + 3, d)
    this.#put(start + EXPECTED, expected)
  }

  /** Where the struct of a row's call is, for an argument of it. */
  structAddress(row: number): number {
    return this.#structsAddress + row * STRUCT_WORDS * 8
  }

  /** Puts four 64-bit words into the struct of a row's call. */
  fillStruct(row: number, a: number, b: number, c: number, d: number): void {
    const start = 2 * row * STRUCT_WORDS
    putUint64(this.#structs, start, a)
    putUint64(this.#structs, start + 2, b)
    putUint64(this.#structs, start + 4, c)
    putUint64(this.#structs, start + 6, d)
  }

  /** Makes the calls of rows `[first, end)`; returns how many answered as expected before one did not. */
  run(first: number, end: number): number {
    if (this.#run === null) return this.#oneByOne(first, end - first)
    this.#words[2 * FIRST] = 8 * first * ROW_WORDS
    this.#words[2 * COUNT] = end - first
    this.#run()
    return this.#words[2 * DONE]
  }

  /** What a row's call answered when it was made last; -errno where it failed. */
  answer(row: number): number {
    return this.#answers[2 * (startOf(row) + ANSWER)]
  }

  /** It cannot be run any more. May be called twice. */
  close(): void {
    this.#code?.close()
  }

  #oneByOne(first: number, count: number): number {
    for (let done = 0; done < count; done++) {
      const start = startOf(first + done)
      const answer = this.#make(start)
      this.#answers[2 * (start + ANSWER)] = answer
      if (answer !== this.#values[start + EXPECTED]) return done
    }
    return count
  }

  #make(start: number): number {
    const [a, b, c, d] = this.#values.subarray(start + ARGUMENTS, start + ANSWER)
    const answer = this.#call(this.#values[start + CALL] as ChainedCall, a, b, c, d)
    return answer < 0 ? -this.#libc.errno() : answer
  }

  #call(call: ChainedCall, a: number, b: number, c: number, d: number): number {
    switch (call) {
      case CALL_READ:
        return this.#libc.read(a, b, c)
      case CALL_POLL:
        return this.#libc.poll(a, b, c)
      case CALL_IOCTL:
        return this.#libc.ioctlWithNumber(a, b, c)
      case CALL_PREAD:
        return this.#libc.pread(a, b, c, d)
    }
  }

  /** Two halves are more work than a look. */
  #put(word: number, value: number): void {
    if (this.#values[word] === value) return
    this.#values[word] = value
    putUint64(this.#words, 2 * word, value)
  }
}

function startOf(row: number): number {
  return HEAD_WORDS + row * ROW_WORDS
}

/** A number as a 64-bit word, the low half first. */
export function putUint64(words: Uint32Array, low: number, value: number): void {
  words[low] = value
  words[low + 1] = Math.floor(value / 2 ** 32)
}
