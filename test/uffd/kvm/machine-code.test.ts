import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
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
import { requireOrSkip } from '../../support/availability.ts'

const missingAssembler = (): string | null => {
  const present = process.arch === 'x64' && ['as', 'objcopy'].every(tool => spawnSync(tool, ['--version']).status === 0)
  return present ? null : 'needs the GNU assembler for x86-64: apt-get install binutils'
}

describe("the guest's code", () => {
  it('is what the GNU assembler makes of the instructions beside it', context => {
    requireOrSkip(context, missingAssembler())
    const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const [source, object, binary] = ['guest.s', 'guest.o', 'guest.bin'].map(name => join(folder, name))
    const text = GUEST_CODE.map(([, assembly]) => assembly).join('\n')
    writeFileSync(source, `.intel_syntax noprefix\n${text}\n`)
    execFileSync('as', ['-o', object, source])
    execFileSync('objcopy', ['-O', 'binary', '-j', '.text', object, binary])
    expect(Buffer.from(assemble(GUEST_CODE).bytes).toString('hex')).toBe(readFileSync(binary).toString('hex'))
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
