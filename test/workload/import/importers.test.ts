/**
 * Importers on samples: real ones (perf 6.1, ftrace of Linux 6.18 and QEMU 7.2, of runs whose order of touches is known) and
 * ones written after the specification. test/fixtures/traces/README.md says which are which.
 */
import { readFileSync } from 'node:fs'
import { fc, test as property } from '@fast-check/vitest'
import { beforeAll, describe, expect, test } from 'vitest'
import { memorySource } from '../../../src/snapshot/byte-source.ts'
import { openSnapshot } from '../../../src/snapshot/open-snapshot.ts'
import type { Snapshot } from '../../../src/snapshot/snapshot.ts'
import { checkWorkload } from '../../../src/workload/check.ts'
import { type ImportRequest, importTrace } from '../../../src/workload/import/import-trace.ts'
import { IMPORTERS } from '../../../src/workload/import/registry.ts'
import { refusal } from '../support.ts'

const FOLDER = new URL('../../fixtures/traces/', import.meta.url)
/** What the traced program touched, in this order; every third one by a write. */
const TOUCHED = [7, 8, 9, 40, 3, 41, 20, 21, 60, 0, 63, 5]

let small: Snapshot
let large: Snapshot
beforeAll(async () => {
  small = await openSnapshot('synthetic:256KiB,zero=0')
  large = await openSnapshot('synthetic:5GiB,zero=0')
})

const sample = (name: string) => readFileSync(new URL(name, FOLDER))

function run(text: Uint8Array | string, change: Partial<ImportRequest> = {}) {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  const request = { snapshot: small, format: null, addresses: 'offset', faultTimes: 'none', ...change }
  return importTrace(memorySource(bytes, 'x'), request)
}

describe('real output', () => {
  test.each([
    ['perf-trace.txt', 'perf-trace', 'base:0x7f3308d78000', false],
    ['page-fault-user.ftrace.txt', 'page-fault-user', 'base:0x7f4f46ed1000', true],
    ['page-fault-user.perf-script.txt', 'page-fault-user', 'base:0x7f0896cd1000', true],
  ])('%s has the touches in their order', async (name, format, addresses, knowsWrites) => {
    const found = await run(sample(name), { addresses })
    expect(found.format).toBe(format)
    expect([...found.workload.page]).toEqual(TOUCHED)
    expect([...found.workload.flags]).toEqual(TOUCHED.map((_, i) => (knowsWrites && i % 3 === 0 ? 1 : 0)))
    expect(found.workload.vcpus).toBe(1)
    expect(found.outside).toBeGreaterThan(0)
    expect(found.notes).toEqual([])
    // The program touches one page after the other within a millisecond.
    expect(found.workload.thinkNs[0]).toBe(0)
    expect(found.workload.thinkNs.slice(1).every(ns => ns > 0 && ns < 1e6)).toBe(true)
  })

  test('perf-trace.txt: faults in a mapped file come by their offset', async () => {
    const file = '/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2'
    const { workload } = await run(sample('perf-trace.txt'), { snapshot: large, format: `perf-trace:file=${file}` })
    const lines = sample('perf-trace.txt')
      .toString()
      .split('\n')
      .filter(line => line.includes(`${file}@`))
    const pages = lines.map(line => Math.floor(Number(/@(0x[0-9a-f]+) /.exec(line)![1]) / 4096))
    expect(pages.length).toBeGreaterThan(0)
    expect([...workload.page]).toEqual(pages)
  })

  test.each([
    ['qemu-log.txt', false],
    ['qemu-log-timestamps.txt', true],
  ])('%s: blocks and offsets of a postcopy destination', async (name, timed) => {
    const snapshot = {
      ...small,
      blocks: [
        { ...small.blocks[0], name: 'pc.ram', pageCount: 4096 },
        { ...small.blocks[0], name: 'pc.bios', pageCount: 16 },
      ],
    }
    const { workload, format, outside, notes } = await run(sample(name), { snapshot, faultTimes: 'every:3us' })
    const requests = [
      ...sample(name)
        .toString()
        .matchAll(/rb=(\S+) offset=(0x[0-9a-f]+) /g),
    ]
    const pages = requests.map(([, block, offset]) => Number(offset) / 4096 + (block === 'pc.bios' ? 4096 : 0))
    expect(pages.length).toBeGreaterThan(3)
    expect(format).toBe('qemu-log')
    expect(outside).toBe(0)
    expect([...workload.page]).toEqual(pages)
    if (timed) {
      expect(notes).toEqual([])
      expect(workload.thinkNs[1]).toBe(130_166_000)
    } else {
      expect(workload.name).toBe('qemu-log: x, fault times every:3us')
      expect(notes).toEqual(["The times are a model's, every:3us: the file has the order only."])
      expect(new Set(workload.thinkNs)).toEqual(new Set([3000]))
    }
  })
})

describe('samples after the specification', () => {
  test('kvm_page_fault since 6.2: vCPUs, writes, a hole below 4 GiB', async () => {
    const { workload, outside } = await run(sample('kvm-page-fault.txt'), { snapshot: large, addresses: 'hole:3GiB' })
    expect(workload.vcpus).toBe(2)
    expect([...workload.starts]).toEqual([0, 2, 3])
    expect([...workload.page]).toEqual([0x123, 3 * 262_144, 0x200])
    expect([...workload.flags]).toEqual([1, 0, 0])
    expect([...workload.thinkNs]).toEqual([0, 100_000, 10_000])
    expect(outside).toBe(1) // the local APIC
  })

  test('kvm_page_fault before: no vCPU, no 0x', async () => {
    const found = await run(sample('kvm-page-fault-old.perf-script.txt'), { snapshot: large })
    expect([...found.workload.page]).toEqual([0x123, 0x100000, 0x200])
    expect(found.workload.vcpus).toBe(2)
    expect([...found.workload.thinkNs]).toEqual([0, 300_000, 50_000])
  })

  test("CRIU's lazy-pages log", async () => {
    const found = await run(sample('criu-lazy-pages.log'), { addresses: 'base:0x7ffc5944c000' })
    expect(found.format).toBe('criu-log')
    expect([...found.workload.page]).toEqual([2, 0, 4])
    expect([...found.workload.thinkNs]).toEqual([0, 315_000, 10_699_000])
  })

  test("REAP's list: the order only, with the times of a model that is named", async () => {
    const found = await run(sample('reap-trace.csv'), { faultTimes: 'chromium' })
    expect(found.format).toBe('reap')
    expect([...found.workload.page]).toEqual([7, 8, 31, 0, 8])
    expect(found.workload.name).toBe('reap: x, fault times chromium')
    expect(found.notes).toEqual(["The times are a model's, chromium: the file has the order only."])
    const ends = [...found.workload.thinkNs].reduce((sum, ns) => sum + ns, 0)
    expect(ends).toBe(1500e6)
  })

  test("E2B's list", async () => {
    const found = await run(sample('e2b-prefetch.json'))
    expect(found.format).toBe('e2b')
    expect([...found.workload.page]).toEqual([7, 3, 63, 0])
    expect([...found.workload.flags]).toEqual([0, 1, 0, 0])
  })

  test('a map of pages: by bits, by bytes, and of larger pages', async () => {
    const bits = await run(sample('mincore.bitmap'), { format: 'mincore' })
    expect([...bits.workload.page]).toEqual([0, 7, 17, 18])
    expect(bits.workload.name).toBe('mincore: x, by address, fault times none')
    const bytes = await run(Uint8Array.of(1, 0, 0xff, 2), { format: 'mincore:entry=byte' })
    expect([...bytes.workload.page]).toEqual([0, 2])
    const large = await run(Uint8Array.of(2), { format: 'mincore:page=64K' })
    expect([...large.workload.page]).toEqual([16])
  })
})

describe('what is broken is refused with file and place:', () => {
  const event = (body: string) => `a 1 [0] 1.000001: ${body}\n`
  const pfu = (body: string) => event(`exceptions:page_fault_user: ${body}`)
  test.each<[string, string, string, Partial<ImportRequest>?]>([
    [
      'no format',
      'hello\n',
      'format: x: found none of the formats perf-trace, page-fault-user, kvm-page-fault, qemu-log, criu-log, e2b, reap, mincore; name it with --format',
    ],
    ['an empty file', '', 'format: x: found no fault, expected some of format reap', { format: 'reap' }],
    [
      'an unknown format',
      '',
      'usage: format: found "pcap", expected one of perf-trace, page-fault-user, kvm-page-fault, qemu-log, criu-log, e2b, reap, mincore, with key=value options',
      { format: 'pcap' },
    ],
    [
      'all outside',
      'ffffff000\n1\n',
      'format: x: found 2 faults, all outside of the memory, expected some of format reap',
      { format: 'reap', addresses: 'base:0x2' },
    ],
    [
      'no hex',
      '7000\nxyz\n',
      'format: x: line 2: offset: found "xyz", expected a hexadecimal number',
      { format: 'reap' },
    ],
    [
      'no address',
      pfu('address=0x1000 ip=0x1 error_code=0x4') + pfu('ip=0x1 error_code=0x4'),
      'format: x: line 2: found "ip=0x1 error_code=0x4", expected address=…',
    ],
    [
      'no time',
      'page_fault_user: address=0x1000 ip=0x1 error_code=0x4',
      'format: x: line 1: found "page_fault_user: address=0x1000 ip=0x1 e"… (53 characters), expected command thread [cpu] seconds.fraction: event: …',
    ],
    [
      'a cut line of KVM',
      event('kvm_page_fault: vcpu 0 rip 0x1 address 0x1000 error_code 0x4') +
        event('kvm_page_fault: vcpu 0 rip 0x1 addr'),
      'format: x: line 2: found "vcpu 0 rip 0x1 addr", expected [vcpu N rip …] address … error_code …',
    ],
    [
      'a cut line of QEMU',
      'postcopy_ram_fault_thread_request Request for HVA=0x1 rb=pc.ram',
      'format: x: line 1: found "postcopy_ram_fault_thread_request Reques"… (63 characters), expected [thread@seconds:]postcopy_ram_fault_thread_request Request for HVA=… rb=BLOCK offset=… pid=…',
    ],
    [
      'a cut line of CRIU',
      '(00.1) uffd: 4-12: #PF at 0x7000\n',
      'format: x: line 1: found "(00.1) uffd: 4-12: #PF at 0x7000", expected (seconds.micros) uffd: task-fd: #PF at 0x…',
    ],
    [
      'two tasks',
      '(00.100000) uffd: 4-12: #PF at 0x7000\n(00.200000) uffd: 5-13: #PF at 0x7000\n',
      'usage: x: line 2: found task 5 beside 4, expected option task to choose one',
    ],
    [
      'a cut line of perf',
      ' 1.0 ( 0.000 ms): a/1 majfault [b] => 0x1000',
      'format: x: line 1: found "1.0 ( 0.000 ms): a/1 majfault [b] => 0x1"… (43 characters), expected ms ( … ms): command/thread majfault|minfault [place] => target (..)',
    ],
    ['no JSON', '{"indices": [1,', "format: x: found no JSON (Unexpected end of JSON input), expected E2B's list"],
    [
      'no block size',
      '{"indices": [1]}',
      'format: x: field block_size: found nothing, expected a power of two from 512',
    ],
    [
      'uneven lists',
      '{"indices": [1], "access_types": [], "block_size": 4096}',
      'format: x: field access_types: found a list of 0, expected a list of 1, as indices',
    ],
    [
      'a wrong index',
      '{"indices": [1, -1], "block_size": 4096}',
      'format: x: indices[1]: found -1, expected a whole number',
    ],
    [
      'a wrong kind',
      '{"indices": [1], "access_types": ["x"], "block_size": 4096}',
      'format: x: access_types[0]: found "x", expected r, w or p',
    ],
    [
      'a wrong address map',
      '1\n2\n',
      'usage: addresses: found "hole", expected offset, hole:3GiB (guest-physical on a PC), base:0x7f… (virtual, memory starts there)',
      { format: 'reap', addresses: 'hole' },
    ],
    [
      'a hole above 4 GiB',
      '1\n2\n',
      'usage: addresses: found a hole at 5GiB, expected one below 4GiB',
      { format: 'reap', addresses: 'hole:5GiB' },
    ],
    [
      'a wrong base',
      '1\n2\n',
      'usage: addresses: base: found "7f", expected an address such as 0x7f3308c00000',
      { format: 'reap', addresses: 'base:7f' },
    ],
    [
      'wrong fault times',
      '1\n2\n',
      'usage: fault times: found "soon", expected none, every:20us, chromium (half by 300 ms, 98 % by 750 ms)',
      { format: 'reap', faultTimes: 'soon' },
    ],
  ])('%s', async (_, text, message, change = {}) => {
    expect(await refusal(() => run(text, change))).toBe(message)
  })

  property.prop([fc.constantFrom(...IMPORTERS.map(({ name }) => name)), fc.uint8Array({ maxLength: 400 })])(
    'any bytes end in a workload or an error of ours',
    async (format, bytes) => {
      let found: Awaited<ReturnType<typeof run>>
      try {
        found = await run(bytes, { format })
      } catch (error) {
        expect(error).toHaveProperty('code')
        return
      }
      checkWorkload(found.workload, 'imported')
    },
  )
})

test('addresses of the kernel, such as the vsyscall page, lie outside', async () => {
  const line = (address: string) => `a 1 [0] 1.000001: page_fault_user: address=${address} ip=0x1 error_code=0x4\n`
  const { workload, outside } = await run(line('0xffffffffff600000') + line('0x3000'))
  expect([...workload.page]).toEqual([3])
  expect(outside).toBe(1)
})

test('threads out of order follow at once, and long times are cut, which is said', async () => {
  const line = (thread: number, time: string, page: number) =>
    `a ${thread} [0] ${time}: exceptions:page_fault_user: address=0x${(page * 4096).toString(16)} ip=0x1 error_code=0x4\n`
  const text = line(1, '1.000002', 1) + line(1, '1.000001', 2) + line(2, '1.000003', 3) + line(1, '9.000000', 4)
  const { workload, notes } = await run(text)
  expect(workload.vcpus).toBe(2)
  expect([...workload.page]).toEqual([1, 2, 4, 3])
  expect([...workload.thinkNs]).toEqual([0, 0, 2 ** 32 - 1, 1000])
  expect(notes).toEqual([
    '1 faults stand before an earlier one of their thread; they follow it at once.',
    '1 times of more than 4294967295 ns before a fault are cut to that.',
  ])
})
