/** `name:key=value,…`, alone and in lists. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { LazyRestoreError } from '../../src/core/error.ts'
import {
  type OptionRules,
  option,
  parseSpec,
  parseSpecList,
  resolveOptions,
  type Spec,
} from '../../src/core/spec-string.ts'

const anyName = fc.stringMatching(/^[a-z][a-z0-9.-]{0,8}$/)
const anyKey = fc.oneof(
  fc.stringMatching(/^[a-z_][a-z0-9_]{0,6}$/),
  fc.constantFrom('__proto__', 'constructor', 'toString'),
)
/** Colons and equals signs within a value are its own. */
const anyValue = fc.stringMatching(/^[a-zA-Z0-9%./:=_-]{0,8}$/)

const anySpec: fc.Arbitrary<{ spec: Spec; text: string }> = fc
  .record({
    name: anyName,
    positional: fc.option(fc.stringMatching(/^[0-9]{1,4}[KMG]iB$/)),
    options: fc.uniqueArray(fc.tuple(anyKey, anyValue), { selector: ([key]) => key, maxLength: 4 }),
  })
  .map(({ name, positional, options }) => {
    const pieces = [...(positional === null ? [] : [positional]), ...options.map(([key, value]) => `${key}=${value}`)]
    const text = pieces.length === 0 ? name : `${name}:${pieces.join(',')}`
    return { spec: { name, options: Object.fromEntries(options), positional }, text }
  })

/** As lists that a test can compare: an option named `__proto__` must be there like any other. */
function written({ name, options, positional }: Spec) {
  return { name, positional, options: Object.entries(options) }
}

describe('parseSpec', () => {
  property.prop([anySpec], { numRuns: 1000 })('reads back what was written', ({ spec, text }) => {
    expect(written(parseSpec(text))).toEqual(written(spec))
  })

  test('drops white space around every part', () => {
    expect(written(parseSpec(' lazy-sweep : chunk = 64K , rate=1M '))).toEqual({
      name: 'lazy-sweep',
      positional: null,
      options: [
        ['chunk', '64K'],
        ['rate', '1M'],
      ],
    })
  })

  test.each([
    ['', 'found "", expected name or name:key=value,…'],
    [':a=1', 'found ":a=1", expected name or name:key=value,…'],
    ['lazy:', 'lazy: found "", expected key=value'],
    ['lazy:=1', 'lazy: found "=1", expected key=value'],
    ['lazy:a=1,', 'lazy: found "", expected key=value'],
    ['lazy:a=1,b', 'lazy: found "b", expected key=value'],
    ['lazy:a=1,a=2', 'lazy: option a is given twice'],
    ['lazy:__proto__=1,__proto__=2', 'lazy: option __proto__ is given twice'],
  ])('refuses %j', (text, message) => {
    expect(() => parseSpec(text)).toThrow(new LazyRestoreError('usage', message))
  })
})

describe('parseSpecList', () => {
  property.prop([fc.array(anySpec, { minLength: 1, maxLength: 5 })], { numRuns: 1000 })(
    'reads back every spec of a list',
    specs => {
      expect(parseSpecList(specs.map(({ text }) => text).join(',')).map(written)).toEqual(
        specs.map(({ spec }) => written(spec)),
      )
    },
  )

  test('takes an option after a bare name as its first', () => {
    expect(parseSpecList('eager,lazy,handlers=2,direct=true,mmap').map(written)).toEqual([
      { name: 'eager', positional: null, options: [] },
      {
        name: 'lazy',
        positional: null,
        options: [
          ['handlers', '2'],
          ['direct', 'true'],
        ],
      },
      { name: 'mmap', positional: null, options: [] },
    ])
  })

  test('refuses an empty piece', () => {
    expect(() => parseSpecList('lazy,,mmap')).toThrow('found "", expected name or name:key=value,…')
  })
})

describe('resolveOptions', () => {
  const RULES = {
    size: option('bytes', 4096, '', 512),
    many: option('count', 3, '', 0, 99),
    late: option('durationNs', 5, ''),
    part: option('share', 0.5, ''),
    flag: option('boolean', false, ''),
    note: option('text', 'none', ''),
  } satisfies OptionRules

  test('fills in every option that is not given', () => {
    expect(resolveOptions(parseSpec('x'), RULES)).toEqual({
      size: 4096,
      many: 3,
      late: 5,
      part: 0.5,
      flag: false,
      note: 'none',
    })
  })

  test('takes each by its kind', () => {
    expect(resolveOptions(parseSpec('x:size=1K,many=1_0,late=2us,part=25%,flag=true,note=a:b=c'), RULES)).toEqual({
      size: 1024,
      many: 10,
      late: 2000,
      part: 0.25,
      flag: true,
      note: 'a:b=c',
    })
  })

  test.each([
    ['x:sise=1', 'x: found option "sise", expected one of size, many, late, part, flag, note'],
    ['x:__proto__=1', 'x: found option "__proto__", expected one of size, many, late, part, flag, note'],
    ['x:toString=1', 'x: found option "toString", expected one of size, many, late, part, flag, note'],
    ['x:size=511', 'x: option size: found 511, expected at least 512'],
    ['x:many=100', 'x: option many: found 100, expected at most 99'],
    ['x:size=big', 'x: option size: found "big", expected a size such as 4096, 64K, 2MiB or 1GiB'],
    ['x:many=-1', 'x: option many: found "-1", expected a whole number'],
    ['x:flag=yes', 'x: option flag: found "yes", expected true or false'],
    ['x:part=2', 'x: option part: found "2", expected a share such as 60% or 0.6'],
  ])('refuses %j', (text, message) => {
    expect(() => resolveOptions(parseSpec(text), RULES)).toThrow(new LazyRestoreError('usage', message))
  })

  test('says so where there are no options at all', () => {
    expect(() => resolveOptions(parseSpec('mmap:a=1'), {})).toThrow('mmap: found option "a", expected no options')
  })
})
