/** Chains of system calls: the code is what it says, and does what the calls do one by one. */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { CALL_IOCTL, CALL_POLL, CALL_PREAD, CALL_READ, CallChain, chainCode } from '../../src/uffd/call-chain.ts'
import { MemoryRegion } from '../../src/uffd/memory-region.ts'
import { nativeReason } from '../../src/uffd/native.ts'
import { requireForEach } from '../support/availability.ts'
import { expectAssembled } from './gnu-assembler.ts'

const { EBADF, ENOTTY } = constants.errno
const PAGE = 4096
const NO_FILE = 1_000_000

it("the chain's code is what the GNU assembler makes of the instructions beside it", context => {
  expectAssembled(context, chainCode(0x7f12_3456_7890))
})

describe.each([true, false])('a chain with code of its own: %s', native => {
  requireForEach(nativeReason)

  let chain: CallChain
  let memory: MemoryRegion
  let bytes: Uint8Array
  let file: number
  beforeEach(context => {
    if (native && process.arch !== 'x64') context.skip('the code is for x86-64')
    chain = new CallChain(4, native)
    memory = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: PAGE })
    bytes = memory.view(0, PAGE)
    const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-'))
    writeFileSync(join(folder, 'file'), 'abcdefgh')
    file = openSync(join(folder, 'file'), 'r')
    onTestFinished(() => {
      chain.close()
      chain.close()
      memory.close()
      closeSync(file)
      rmSync(folder, { recursive: true })
    })
  })

  it('makes the calls in order, with all their arguments', () => {
    chain.set(0, CALL_PREAD, 3, file, memory.address, 3, 4)
    chain.set(1, CALL_READ, 2, file, memory.address + 3, 2)
    chain.set(2, CALL_READ, 2, file, memory.address + 5, 2)
    expect(chain.run(0, 3)).toBe(3)
    expect(Buffer.from(bytes.subarray(0, 8)).toString('latin1')).toBe('efgabcd\0')
    expect([0, 1, 2].map(row => chain.answer(row))).toEqual([3, 2, 2])
  })

  it('ends behind the call that answers something else, and says what', () => {
    chain.set(0, CALL_PREAD, 8, file, memory.address, 8, 0)
    chain.set(1, CALL_PREAD, 8, file, memory.address, 8, 4)
    chain.set(2, CALL_PREAD, 8, file, memory.address + 100, 8, 0)
    expect(chain.run(0, 3)).toBe(1)
    expect(chain.answer(1)).toBe(4)
    expect([...bytes.subarray(100, 108)]).toEqual(new Array(8).fill(0))
  })

  it('tells the errno of each kind of call', () => {
    chain.set(0, CALL_READ, 0, NO_FILE, memory.address, 1)
    chain.set(1, CALL_PREAD, 0, NO_FILE, memory.address, 1, 0)
    chain.set(2, CALL_IOCTL, 0, file, 0x1234, memory.address)
    for (const row of [0, 1, 2]) expect(chain.run(row, row + 1)).toBe(0)
    expect([0, 1, 2].map(row => chain.answer(row))).toEqual([-EBADF, -EBADF, -ENOTTY])
  })

  it('waits as long as poll does', () => {
    const noDescriptor = new Uint8Array(new Int32Array([-1, 1]).buffer)
    bytes.set(noDescriptor)
    chain.set(0, CALL_POLL, 0, memory.address, 1, 20)
    const before = performance.now()
    expect(chain.run(0, 1)).toBe(1)
    expect(performance.now() - before).toBeGreaterThan(19)
  })

  it('runs any part of the rows, again and again, with what they were set to last', () => {
    chain.set(0, CALL_READ, 0, NO_FILE, memory.address, 1)
    for (const offset of [0, 5, 2, 2]) {
      chain.set(1, CALL_PREAD, 1, file, memory.address, 1, offset)
      expect(chain.run(1, 2)).toBe(1)
      expect(String.fromCharCode(bytes[0])).toBe('abcdefgh'[offset])
    }
    expect(chain.run(1, 1)).toBe(0)
  })

  it('answers as the same reads do by themselves', () => {
    const read = fc.record({ length: fc.integer({ min: 0, max: 12 }), offset: fc.integer({ min: 0, max: 12 }) })
    fc.assert(
      fc.property(fc.array(read, { minLength: 1, maxLength: 4 }), fc.integer({ min: 0, max: 8 }), (reads, expected) => {
        for (const [row, { length, offset }] of reads.entries()) {
          chain.set(row, CALL_PREAD, expected, file, memory.address, length, offset)
        }
        const answers = reads.map(({ length, offset }) => Math.min(length, Math.max(0, 8 - offset)))
        const done = answers.findIndex(answer => answer !== expected)
        expect(chain.run(0, reads.length)).toBe(done < 0 ? reads.length : done)
        expect(chain.answer(done < 0 ? 0 : done)).toBe(answers[done < 0 ? 0 : done])
      }),
    )
  })
})
