import { describe, expect, it } from 'vitest'
import { assemble } from '../../../src/uffd/assembler.ts'
import {
  FOLD_BASIS,
  FOLD_FACTOR,
  GUEST_CODE,
  PORT_DONE,
  PORT_IDLE,
  PORT_SYNC,
  TICKS_SHIFT,
} from '../../../src/uffd/kvm/machine-code.ts'
import { expectAssembled } from '../gnu-assembler.ts'

describe("the guest's code", () => {
  it('is what the GNU assembler makes of the instructions beside it', context => {
    expectAssembled(context, GUEST_CODE)
  })

  it('names the constants that the host uses', () => {
    const text = GUEST_CODE.map(([, assembly]) => assembly)
    for (const port of [PORT_DONE, PORT_IDLE, PORT_SYNC]) expect(text).toContain(`out ${port}, eax`)
    expect(text).toContain(`shr rcx, ${TICKS_SHIFT}`)
    expect(text).toContain(`mov eax, 0x${FOLD_BASIS.toString(16)}`)
    expect(text).toContain(`imul eax, eax, 0x${FOLD_FACTOR.toString(16)}`)
  })

  it('fits into its page', () => {
    expect(assemble(GUEST_CODE).bytes.length).toBeLessThan(4096)
  })
})

describe('assemble', () => {
  it('counts a jump from the end of its instruction, forwards and backwards', () => {
    const { bytes, labels } = assemble([
      ['', 'top:', 'top'],
      ['eb', 'jmp end', 'end'],
      ['90', 'nop'],
      ['eb', 'jmp top', 'top'],
      ['', 'end:', 'end'],
    ])
    expect([...bytes]).toEqual([0xeb, 3, 0x90, 0xeb, 0xfb])
    expect([...labels]).toEqual([
      ['top', 0],
      ['end', 5],
    ])
  })

  it('refuses a jump that is too long for it, or leads nowhere', () => {
    const nops = Array.from({ length: 128 }, () => ['90', 'nop'] as const)
    expect(() => assemble([['eb', 'jmp end', 'end'], ...nops, ['', 'end:', 'end']])).toThrow(
      'jump to end: found a distance of 128, expected -128 to 127',
    )
    expect(() => assemble([['eb', 'jmp end', 'end']])).toThrow('jump to end: found a distance of NaN')
  })
})
