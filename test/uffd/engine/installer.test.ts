/** The installer against a kernel whose every answer is scripted: which calls it makes, and that it ends. */
import { constants } from 'node:os'
import { describe, expect, it } from 'vitest'
import { OP_COPY, OP_ZERO_COPY, OP_ZEROPAGE } from '../../../src/resolver/resolver.ts'
import { Installer, OP_POISON } from '../../../src/uffd/engine/installer.ts'
import type { FaultChannel, Outcome } from '../../../src/uffd/kernel.ts'

const { EEXIST, EFAULT, EINVAL, ENOENT, ENOMEM, ESRCH } = constants.errno
const PAGE = 4096

/** An answer: the outcome, and for `partial` the bytes done, for `failed` the errno. */
type Answer = Outcome | readonly ['partial', number] | readonly ['failed', number]

class ScriptedKernel {
  readonly calls: string[] = []
  sleeps = 0
  present: (address: number) => boolean = () => true
  readonly #answers: Answer[]
  /** Given when the script has come to its end. */
  readonly #last: Answer

  constructor(answers: readonly Answer[], last: Answer = 'done') {
    this.#answers = [...answers]
    this.#last = last
  }

  readonly channel = {
    bytesDone: 0,
    errno: 0,
    copy: (to: number, from: number, length: number) => this.#answer(`copy ${to} ${from} ${length}`),
    zeropage: (start: number, length: number) => this.#answer(`zeropage ${start} ${length}`),
    poison: (start: number, length: number) => this.#answer(`poison ${start} ${length}`),
    wake: (start: number, length: number) => {
      this.calls.push(`wake ${start} ${length}`)
      return 'done'
    },
  }

  installer(): Installer {
    const host = {
      isPresent: (address: number) => this.present(address),
      sleepMs: () => {
        this.sleeps++
      },
    }
    return new Installer(this.channel as unknown as FaultChannel, host)
  }

  #answer(call: string): Outcome {
    this.calls.push(call)
    const answer = this.#answers.shift() ?? this.#last
    const [outcome, number] = typeof answer === 'string' ? [answer, 0] : answer
    this.channel.bytesDone = outcome === 'partial' ? number : 0
    this.channel.errno = outcome === 'failed' ? number : outcome === 'exists' ? EEXIST : 0
    return outcome
  }
}

const copyOf = (kernel: ScriptedKernel, pages: number, pageSize = PAGE) => {
  const installer = kernel.installer()
  return { installer, outcome: installer.install(OP_COPY, 0x10000, 0x90000, pages * pageSize, pageSize) }
}

describe('the installer', () => {
  it.each([
    [OP_COPY, 'copy 65536 589824 8192'],
    [OP_ZERO_COPY, 'copy 65536 589824 8192'],
    [OP_ZEROPAGE, 'zeropage 65536 8192'],
    [OP_POISON, 'poison 65536 8192'],
  ] as const)('makes one call of operation %i where all goes well', (op, call) => {
    const kernel = new ScriptedKernel([])
    const installer = kernel.installer()
    expect([installer.install(op, 0x10000, 0x90000, 8192, PAGE), installer.bytesDone]).toEqual(['done', 8192])
    expect(kernel.calls).toEqual([call])
  })

  it('makes no call for no bytes', () => {
    const kernel = new ScriptedKernel([])
    expect([copyOf(kernel, 0).outcome, kernel.calls]).toEqual(['done', []])
  })

  it('goes on behind what is done, in memory and in the source', () => {
    const kernel = new ScriptedKernel([
      ['partial', PAGE],
      ['partial', 2 * PAGE],
    ])
    expect(copyOf(kernel, 4).outcome).toBe('done')
    expect(kernel.calls).toEqual(['copy 65536 589824 16384', 'copy 69632 593920 12288', 'copy 77824 602112 4096'])
  })

  it('wakes who waits for a page that exists, and passes over that page alone', () => {
    const kernel = new ScriptedKernel([['partial', PAGE], 'exists'])
    const { installer, outcome } = copyOf(kernel, 3)
    expect([outcome, installer.eexist]).toEqual(['done', 1])
    expect(kernel.calls.slice(1)).toEqual(['copy 69632 593920 8192', 'wake 69632 4096', 'copy 73728 598016 4096'])
  })

  it('ends when the last page exists', () => {
    const kernel = new ScriptedKernel(['exists'])
    expect([copyOf(kernel, 1).outcome, kernel.calls.length]).toEqual(['done', 2])
  })

  it('hands an event to its caller, with what is done by then', () => {
    const kernel = new ScriptedKernel([['partial', 2 * PAGE], 'retry'])
    const { installer, outcome } = copyOf(kernel, 3)
    expect([outcome, installer.bytesDone, installer.eagain]).toEqual(['event', 2 * PAGE, 1])
  })

  it('knows the end of the process whose memory it is from a failure', () => {
    const kernel = new ScriptedKernel([
      ['partial', PAGE],
      ['failed', ESRCH],
    ])
    const { installer, outcome } = copyOf(kernel, 3)
    expect([outcome, installer.bytesDone, kernel.calls.length, kernel.sleeps]).toEqual(['gone', PAGE, 2, 0])
  })

  it.each([EFAULT, EINVAL, ENOENT])('fails at once on errno %i, and says call, address and errno', errno => {
    const kernel = new ScriptedKernel([
      ['partial', PAGE],
      ['failed', errno],
    ])
    const { installer, outcome } = copyOf(kernel, 3)
    expect([outcome, installer.bytesDone, kernel.calls.length, kernel.sleeps]).toEqual(['failed', PAGE, 2, 0])
    expect(installer.reason).toMatch(/^UFFDIO_COPY at 0x11000: found E[A-Z]+, expected the page to be installed$/)
  })

  it.each([
    ['ENOMEM', ['failed', ENOMEM], 'ENOMEM'],
    ['EEXIST for a page that is not there', 'exists', 'EEXIST for a page that is missing: no free huge page'],
  ] as const)('waits for memory on %s: a bounded time for each page', (_name, answer, found) => {
    const kernel = new ScriptedKernel([...new Array(40).fill(answer), ['partial', PAGE], ...new Array(40).fill(answer)])
    kernel.present = () => false
    expect([copyOf(kernel, 2).outcome, kernel.sleeps]).toEqual(['done', 80])

    const empty = new ScriptedKernel([], answer)
    empty.present = () => false
    const { installer, outcome } = copyOf(empty, 2)
    expect([outcome, installer.bytesDone, empty.sleeps]).toEqual(['failed', 0, 50])
    expect(installer.reason).toBe(`UFFDIO_COPY at 0x10000: found ${found}, expected the page to be installed`)
    expect(empty.calls.some(call => call.startsWith('wake'))).toBe(false)
  })

  it('poisons what is missing and passes over what is not', () => {
    const kernel = new ScriptedKernel(['exists', ['partial', PAGE], 'exists'])
    kernel.present = () => false
    expect(kernel.installer().install(OP_POISON, 0x10000, 0, 4 * PAGE, PAGE)).toBe('done')
    expect(kernel.calls.filter(call => call.startsWith('poison'))).toEqual([
      'poison 65536 16384',
      'poison 69632 12288',
      'poison 73728 8192',
      'poison 77824 4096',
    ])
    expect(kernel.sleeps).toBe(0)
  })
})
