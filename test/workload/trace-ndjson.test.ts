import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { memoryOfSize } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'
import { decodeNdjsonTrace, encodeNdjsonTrace } from '../../src/workload/trace-ndjson.ts'
import { anyWorkload, collect, MemorySource, refusal } from './support.ts'

const HEADER = {
  format: 'lazyrestore-trace',
  version: 1,
  name: 'by hand',
  seed: null,
  snapshotIdentity: null,
  pageCount: 100,
  pageSize: 4096,
  vcpus: 2,
  accesses: 3,
}
const LINES = [
  '{"vcpu":0,"page":5,"thinkNs":10}',
  '{"vcpu":1,"page":6,"thinkNs":20}',
  '{"vcpu":0,"page":7,"thinkNs":0}',
]

function file(header: object, lines: readonly string[]): Buffer {
  return Buffer.from([JSON.stringify(header), ...lines, ''].join('\n'))
}

function decode(bytes: Uint8Array) {
  return decodeNdjsonTrace(new MemorySource(bytes, 'a.ndjson'))
}

describe('an NDJSON trace', () => {
  property.prop([anyWorkload])('comes back as it was written', async workload => {
    expect(await decode(collect(encodeNdjsonTrace(workload)))).toEqual(workload)
  })

  test('comes back over several blocks', async () => {
    const workload = createWorkload('uniform:accesses=60_000,vcpus=2', memoryOfSize(2 ** 32, 4096), 1)
    const bytes = collect(encodeNdjsonTrace(workload))
    expect(bytes.length).toBeGreaterThan(2 * 1024 * 1024)
    expect(await decode(bytes)).toEqual(workload)
  })

  test('has one line an access, flags left out when false', () => {
    const workload = {
      ...createWorkload('uniform:accesses=3', memoryOfSize(100, 4096), 9),
      page: Uint32Array.of(5, 6, 7),
      thinkNs: Uint32Array.of(1, 2, 3),
      flags: Uint8Array.of(0, 3, 2),
    }
    expect(collect(encodeNdjsonTrace(workload)).toString().split('\n')).toEqual([
      '{"format":"lazyrestore-trace","version":1,"name":"uniform:accesses=3","seed":9,"snapshotIdentity":null,"pageCount":100,"pageSize":4096,"vcpus":1,"accesses":3}',
      '{"vcpu":0,"page":5,"thinkNs":1}',
      '{"vcpu":0,"page":6,"thinkNs":2,"write":true,"idle":true}',
      '{"vcpu":0,"page":7,"thinkNs":3,"idle":true}',
      '',
    ])
  })

  property.prop([anyWorkload, fc.nat()])('may mix the vCPUs, as long as each is in order', async (workload, seed) => {
    const [header, ...lines] = collect(encodeNdjsonTrace(workload)).toString().trimEnd().split('\n')
    const queues = new Map<string, string[]>()
    for (const line of lines) {
      const vcpu = line.slice(0, line.indexOf(','))
      queues.set(vcpu, [...(queues.get(vcpu) ?? []), line])
    }
    const mixed: string[] = []
    for (let turn = seed; mixed.length < lines.length; turn = (turn * 48_271 + 1) % 2 ** 31) {
      const open = [...queues.values()].filter(queue => queue.length > 0)
      mixed.push(open[turn % open.length].shift()!)
    }
    expect(await decode(Buffer.from([header, ...mixed].join('\n')))).toEqual(workload)
  })

  test('may be written by hand: spaces, other key orders, false flags, CRLF, no last line end', async () => {
    const lines = [
      ' { "page": 5, "thinkNs": 10, "vcpu": 0 }',
      '{"vcpu":1,"page":6,"thinkNs":20,"write":false,"idle":true}\r',
      '{"vcpu":0,"page":7,"thinkNs":0}',
    ]
    const bytes = Buffer.from([JSON.stringify(HEADER), ...lines].join('\n'))
    const { starts, page, thinkNs, flags } = await decode(bytes)
    expect([starts, page, thinkNs, flags].map(column => [...column])).toEqual([
      [0, 2, 3],
      [5, 7, 6],
      [10, 0, 20],
      [0, 0, 2],
    ])
  })

  test('is refused at every length that is short of the whole, but for the last line end', async () => {
    const bytes = file(HEADER, LINES)
    for (let length = 0; length < bytes.length - 1; length++) {
      expect(await refusal(() => decode(bytes.subarray(0, length)))).toMatch(/^format: a\.ndjson: line \d: /)
    }
    await decode(bytes.subarray(0, -1))
  })
})

describe('an NDJSON trace is refused, the line and both values named, for', () => {
  const headers: [object, string][] = [
    [
      { ...HEADER, format: 'other' },
      'format: a.ndjson: line 1: field format: found "other", expected "lazyrestore-trace"',
    ],
    [{ ...HEADER, version: 2 }, 'unsupported: a.ndjson: line 1: field version: found 2, expected 1'],
    [{ ...HEADER, vcpus: 0 }, 'format: a.ndjson: line 1: field vcpus: found 0, expected a whole number from 1 to 1024'],
    [{ ...HEADER, accesses: 2 }, 'format: a.ndjson: line 4: found a further line, expected 2 accesses'],
    [
      { ...HEADER, extra: 1 },
      'format: a.ndjson: line 1: found field "extra", expected only name, seed, snapshotIdentity, pageCount, pageSize, vcpus, accesses',
    ],
    [
      { ...HEADER, accesses: 4 },
      'format: a.ndjson: line 1: found 99 bytes behind the header, expected at least 128 for 4 accesses',
    ],
    [
      { ...HEADER, accesses: 2 ** 31 - 1 },
      'format: a.ndjson: line 1: found 99 bytes behind the header, expected at least 68719476704 for 2147483647 accesses',
    ],
    [[1], 'format: a.ndjson: line 1: found a list of 1, expected an object'],
  ]
  test.each(headers)('header %#', async (header, message) => {
    expect(await refusal(() => decode(file(header, LINES)))).toBe(message)
  })

  const lines: [string, string][] = [
    ['{"vcpu":2,"page":5,"thinkNs":1}', 'field vcpu: found 2, expected a whole number from 0 to 1'],
    ['{"vcpu":"0","page":5,"thinkNs":1}', 'field vcpu: found "0", expected a whole number from 0 to 1'],
    ['{"vcpu":0,"page":100,"thinkNs":1}', 'field page: found 100, expected a whole number from 0 to 99'],
    ['{"vcpu":0,"page":-1,"thinkNs":1}', 'field page: found -1, expected a whole number from 0 to 99'],
    [
      '{"vcpu":0,"page":5,"thinkNs":4294967296}',
      'field thinkNs: found 4294967296, expected a whole number from 0 to 4294967295',
    ],
    ['{"vcpu":0,"page":5,"thinkNs":0.5}', 'field thinkNs: found 0.5, expected a whole number from 0 to 4294967295'],
    ['{"vcpu":0,"thinkNs":1,"write":true}', 'field page: found nothing, expected a whole number from 0 to 99'],
    ['{"vcpu":0,"page":5,"thinkNs":1,"write":1}', 'field write: found 1, expected true or false'],
    ['{"vcpu":0,"page":5,"thinkNs":1,"idle":null}', 'field idle: found null, expected true or false'],
    [
      '{"vcpu":0,"page":5,"thinkNs":1,"__proto__":1}',
      'found field "__proto__", expected only vcpu, page, thinkNs, write, idle',
    ],
    ['{"vcpu":0,"page":5,"thinkNs":1,"gpa":3}', 'found field "gpa", expected only vcpu, page, thinkNs, write, idle'],
    ['[0,5,1,"                             "]', 'found a list of 4, expected an object'],
    ['null                                    ', 'found null, expected an object'],
    ['{"vcpu":0,"page":5,"thinkNs":1', 'found "{\\"vcpu\\":0,\\"page\\":5,\\"thinkNs\\":1", expected a JSON object'],
    ['', 'found "", expected a JSON object'],
  ]
  test.each(lines)('line %s', async (line, message) => {
    const bytes = file(HEADER, [LINES[0], line, LINES[2].padEnd(80)])
    expect(await refusal(() => decode(bytes))).toBe(`format: a.ndjson: line 3: ${message}`)
  })

  test('an end that comes before the last access', async () => {
    const bytes = file(HEADER, [LINES[0], LINES[1].padEnd(90)])
    expect(await refusal(() => decode(bytes))).toBe(
      'format: a.ndjson: line 3: found the end after 2 accesses, expected 3',
    )
  })

  test('nothing at all, and a header that is no UTF-8', async () => {
    expect(await refusal(() => decode(Buffer.alloc(0)))).toBe(
      'format: a.ndjson: line 1: found nothing, expected a header',
    )
    const bytes = file({ ...HEADER, name: 'é' }, LINES)
    bytes[bytes.indexOf(0xc3)] = 0xff
    expect(await refusal(() => decode(bytes))).toBe(
      'format: a.ndjson: line 1: found bytes that are no UTF-8, expected a header',
    )
  })

  test('a line without end, of which no more than the limit is kept', async () => {
    const endless = Buffer.concat([file(HEADER, LINES.slice(0, 1)), Buffer.alloc(5_000_000, 0x20)])
    expect(await refusal(() => decode(endless))).toBe(
      'format: a.ndjson: line 3: found more than 65536 bytes, expected a line end',
    )
  })
})
