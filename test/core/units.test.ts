/** Sizes, durations, shares and counts as people write and read them. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { LazyRestoreError } from '../../src/core/error.ts'
import {
  formatBytes,
  formatCount,
  formatDurationNs,
  formatShare,
  formatVcpus,
  parseBytes,
  parseCount,
  parseDurationNs,
  parseShare,
} from '../../src/core/units.ts'

describe('parseBytes', () => {
  test.each([
    ['0', 0],
    ['4096', 4096],
    ['64K', 65536],
    ['64k', 65536],
    ['64KB', 65536],
    ['64KiB', 65536],
    ['1.5M', 1572864],
    [' 2 GiB ', 2147483648],
    ['1T', 1099511627776],
    ['100MB/s', 104857600],
    ['7B', 7],
    ['0.5K', 512],
  ])('takes %j', (text, bytes) => expect(parseBytes(text, 'size')).toBe(bytes))

  test.each(['', 'K', '-1', '+1', '1e3', '0x10', '0.1K', '1.K', '1 2', '4P', '9007199254740993', '1 / s', 'NaN'])(
    'refuses %j and says what it is for',
    text => {
      const message = `window: found "${text}", expected a size such as 4096, 64K, 2MiB or 1GiB`
      expect(() => parseBytes(text, 'window')).toThrow(new LazyRestoreError('usage', message))
    },
  )
})

describe('parseDurationNs', () => {
  test.each([
    ['250ns', 250],
    ['250', 250],
    ['3us', 3000],
    ['3µs', 3000],
    ['1.5ms', 1_500_000],
    ['2 s', 2_000_000_000],
    ['0.4ns', 0],
    ['1.0005us', 1001],
  ])('takes %j', (text, ns) => expect(parseDurationNs(text, 'latency')).toBe(ns))

  test.each(['', 's', '-1s', '1m', '1 S', '1e3us', '10000000000s'])('refuses %j and says what it is for', text => {
    const message = `think: found "${text}", expected a duration such as 500ns, 20us, 5ms or 2s`
    expect(() => parseDurationNs(text, 'think')).toThrow(new LazyRestoreError('usage', message))
  })
})

describe('parseShare', () => {
  test.each([
    ['60%', 0.6],
    ['0.6', 0.6],
    ['0', 0],
    ['1', 1],
    ['100%', 1],
    ['12.5%', 0.125],
  ])('takes %j', (text, share) => expect(parseShare(text, 'zero')).toBe(share))

  test.each(['', '%', '101%', '1.1', '-0.1', '60 %', '.5'])('refuses %j and says what it is for', text => {
    const message = `zero: found "${text}", expected a share such as 60% or 0.6`
    expect(() => parseShare(text, 'zero')).toThrow(new LazyRestoreError('usage', message))
  })
})

describe('parseCount', () => {
  test.each([
    ['0', 0],
    ['12', 12],
    ['1_000_000', 1_000_000],
    [' 3 ', 3],
  ])('takes %j', (text, count) => expect(parseCount(text, 'vcpus')).toBe(count))

  test.each(['', '_1', '1.5', '-1', '1e3', '9007199254740993', '1K'])('refuses %j and says what it is for', text => {
    const message = `vcpus: found "${text}", expected a whole number`
    expect(() => parseCount(text, 'vcpus')).toThrow(new LazyRestoreError('usage', message))
  })
})

describe('what is written for people', () => {
  test.each([
    [0, '0 B'],
    [12, '12 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [65536, '64 KiB'],
    [1536, '1.50 KiB'],
    [1_234_567, '1.18 MiB'],
    [2 ** 30, '1 GiB'],
    [123.4 * 2 ** 30, '123 GiB'],
    [5 * 2 ** 40, '5 TiB'],
  ])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text))

  test.each([
    [0, '0 ns'],
    [90.4, '90 ns'],
    [1000, '1.00 µs'],
    [9_994, '9.99 µs'],
    [9_996, '10.0 µs'],
    [12_345, '12.3 µs'],
    [99_940, '99.9 µs'],
    [99_960, '100 µs'],
    [480_000_000, '480 ms'],
    [1.25e9, '1.25 s'],
    [4000e9, '4000 s'],
  ])('%d ns are %s', (ns, text) => expect(formatDurationNs(ns)).toBe(text))

  test('shares and counts', () => {
    expect([0, 0.00123, 0.123, 1].map(formatShare)).toEqual(['0.00 %', '0.12 %', '12.3 %', '100 %'])
    expect(formatCount(1048576)).toBe('1,048,576')
    expect([0, 1, 2].map(formatVcpus)).toEqual(['0 vCPUs', '1 vCPU', '2 vCPUs'])
  })

  property.prop([fc.double({ min: 1000, max: 9e15, noNaN: true })], { numRuns: 1000 })(
    'durations have three significant digits, or more only before the point',
    ns => {
      const [digits, unit] = formatDurationNs(ns).split(' ')
      expect(digits).toMatch(/^(\d\.\d\d|\d\d\.\d|\d{3,})$/)
      const factor = { µs: 1e3, ms: 1e6, s: 1e9 }[unit]!
      expect(Math.abs(Number(digits) * factor - ns)).toBeLessThanOrEqual(0.005 * ns)
    },
  )

  property.prop([fc.integer({ min: 0, max: 2 ** 52 })], { numRuns: 1000 })(
    'sizes can be read back, to half a per cent, and exactly if they are whole',
    bytes => {
      const text = formatBytes(bytes)
      const digits = text.split(' ')[0]
      expect(digits).toMatch(/^(\d+|\d\.\d\d|\d\d\.\d)$/)
      const factor = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }[text.split(' ')[1]]!
      expect(Math.abs(Number(digits) * factor - bytes)).toBeLessThanOrEqual(0.005 * bytes)
      if (bytes % factor === 0) expect(parseBytes(text, 'size')).toBe(bytes)
    },
  )
})
