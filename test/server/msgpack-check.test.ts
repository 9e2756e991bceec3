/** The walk over MessagePack before it is decoded: all that a client sends passes, and what passes can be decoded. */
import { fc, test } from '@fast-check/vitest'
import { Packr, Unpackr } from 'msgpackr'
import { describe, expect } from 'vitest'
import { checkJsonDepth } from '../../server/http/json-check.ts'
import { checkMsgpack } from '../../server/http/msgpack-check.ts'

const CODEC = { useRecords: false, moreTypes: true, mapsAsObjects: true } as const
const packr = new Packr(CODEC)
const unpackr = new Unpackr(CODEC)

const array = fc.oneof(
  fc.uint8Array(),
  fc.uint16Array(),
  fc.uint32Array(),
  fc.float64Array(),
  fc.int32Array(),
  fc.float32Array(),
)
const { value } = fc.letrec(tie => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.string(),
    fc.double().filter(number => !Object.is(number, -0)),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    array,
    tie('list'),
    tie('object'),
  ),
  list: fc.array(tie('value')),
  object: fc.dictionary(
    fc.string().filter(key => key !== '__proto__'),
    tie('value'),
    { noNullPrototype: true },
  ),
}))

describe('the check of MessagePack', () => {
  test.prop([value], { numRuns: 300 })('accepts whatever a client packs', value => {
    const bytes = Buffer.from(packr.pack(value))
    checkMsgpack(bytes)
    expect(unpackr.unpack(bytes)).toEqual(value)
  })

  test.prop([fc.uint8Array({ maxLength: 60 })], { numRuns: 3000 })('accepts no bytes that cannot be decoded', bytes => {
    try {
      checkMsgpack(Buffer.from(bytes))
    } catch (error) {
      expect(error).toMatchObject({ name: 'HttpError', code: 'invalid' })
      return
    }
    unpackr.unpack(bytes)
  })

  test.prop([value, fc.nat(), fc.nat(255)], { numRuns: 1000 })(
    'accepts no changed byte that breaks decoding',
    (value, at, byte) => {
      const bytes = Buffer.from(packr.pack(value))
      bytes[at % bytes.length] = byte
      try {
        checkMsgpack(bytes)
      } catch (error) {
        expect(error).toMatchObject({ code: 'invalid' })
        return
      }
      unpackr.unpack(bytes)
    },
  )
})

test.prop([fc.json({ maxDepth: 6 })])('the check of JSON counts brackets outside of texts only', text => {
  checkJsonDepth(Buffer.from(text))
  expect(() => checkJsonDepth(Buffer.from(`${'['.repeat(33)}${text}`))).toThrow(/levels/)
})
