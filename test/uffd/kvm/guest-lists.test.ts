import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import { GIB } from '../../../src/core/units.ts'
import { GuestClock } from '../../../src/uffd/kvm/guest-clock.ts'
import { ENTRY_WORDS, foldWords, readTimes, writeAccesses, writeRanges } from '../../../src/uffd/kvm/guest-lists.ts'
import { ACCESS_IDLE, ACCESS_WRITE } from '../../../src/workload/workload.ts'

const hex = (list: Uint32Array) => Array.from(list, word => word.toString(16))

describe('an access list', () => {
  it('has the address with its flags, and the think time', () => {
    const list = new Uint32Array(3 * ENTRY_WORDS)
    const workload = {
      page: Uint32Array.of(9, 0, 1, 0x100),
      thinkNs: Uint32Array.of(9, 0, 2 ** 32 - 1, 7),
      flags: Uint8Array.of(0, 0, ACCESS_WRITE, ACCESS_WRITE | ACCESS_IDLE),
    }
    writeAccesses(list, workload, 1, 4, page => 5 * GIB + page * 4096)
    expect(hex(list)).toEqual(
      ['40000000 1 0 0', '40001000 80000001 ffffffff 0', '40100000 c0000001 7 0'].flatMap(entry => entry.split(' ')),
    )
  })

  it('comes back with the times, which may be far from zero and cross 2^32', () => {
    const list = Uint32Array.of(0xffff_fff0, 0x1000, 0x0000_000f, 0x1001)
    const clock = new GuestClock(2e6, 0x1000 * 2 ** 32, 1e9, 100)
    const { startNs, latencyNs } = readTimes(list, 1, clock)
    expect([...startNs]).toEqual([1e9 + 0xffff_fff0 / 2])
    expect([...latencyNs]).toEqual([0x1f / 2])
  })
})

it('a list of ranges has addresses and lengths of 64 bits', () => {
  const list = new Uint32Array(2 * ENTRY_WORDS)
  writeRanges(list, [
    { address: 5 * GIB, byteLength: 4096 },
    { address: 4096, byteLength: 9 * GIB },
  ])
  expect(hex(list)).toEqual(['40000000', '1', '1000', '0', '1000', '0', '40000000', '2'])
})

describe('foldWords', () => {
  it('is the recurrence that its comment states', () => {
    const wide = (words: number[]) =>
      words.reduce((h, word) => {
        const rotated = ((h << 5n) | (h >> 27n)) & 0xffff_ffffn
        return ((rotated ^ BigInt(word)) * 0x9e3779b1n) & 0xffff_ffffn
      }, 0x811c9dc5n)
    const words = [0, 1, 0xffff_ffff, 0x8000_0000, 12345]
    expect(foldWords(Uint32Array.from(words))).toBe(Number(wide(words)))
    expect(foldWords(new Uint32Array(0))).toBe(0x811c9dc5)
  })

  const words = fc.array(fc.nat(0xffff_ffff), { minLength: 1, maxLength: 50 })
  test.prop([words, fc.nat(), fc.integer({ min: 1, max: 0xffff_ffff })])(
    'shows every single word that is wrong',
    (values, place, difference) => {
      const right = Uint32Array.from(values)
      const wrong = right.slice()
      wrong[place % wrong.length] ^= difference
      expect(foldWords(wrong)).not.toBe(foldWords(right))
    },
  )
})
