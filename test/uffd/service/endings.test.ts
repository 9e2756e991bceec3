/** What becomes of VMs when something goes wrong, and when the service is told to stop. */
import { existsSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { probe } from '../../../src/uffd/availability.ts'
import { UFFD_FEATURE_EVENT_REMAP, UFFD_FEATURE_EVENT_REMOVE } from '../../../src/uffd/constants.ts'
import { requireForEach } from '../../support/availability.ts'
import { ended, memoryOf, PAGE, sha256, startService } from './support.ts'
import type { TinyVmmOptions } from './tiny-vmm.ts'

requireForEach(() => probe().userfaultfd)

const PAGES = 512
const LENGTH = PAGES * PAGE
const one = { regions: [LENGTH], pageSize: PAGE } as const
const KILLED = [null, 'SIGKILL']

describe('a handler that is killed', { timeout: 60_000 }, () => {
  it('takes its VMs along, and nobody waits', async () => {
    const service = await startService(memoryOf(PAGES), ['--policy', 'lazy'])
    const vmms = [await service.vmm(one), await service.vmm(one)]
    for (const vmm of vmms) await vmm.ask(`read 0 ${PAGE}`)
    process.kill(service.handlerPid, 'SIGKILL')
    for (const vmm of vmms) expect(await ended(vmm)).toEqual(KILLED)
    expect(await ended(service.talker)).toEqual([1, null])
    for (const { child } of vmms) {
      expect(service.talker.stderr).toContain(
        `process ${child.pid}: nobody serves its memory any more; the VMM is killed`,
      )
    }
    expect(existsSync(service.socket)).toBe(false)
  })

  it('takes VMs along of which it has not even heard', async () => {
    const service = await startService(memoryOf(PAGES), ['--policy', 'lazy'])
    process.kill(service.handlerPid, 'SIGSTOP')
    const vmm = await service.vmm(one)
    vmm.send('read 0 1')
    await new Promise(resolve => setTimeout(resolve, 300))
    process.kill(service.handlerPid, 'SIGKILL')
    expect(await ended(vmm)).toEqual(KILLED)
    expect(await ended(service.talker)).toEqual([1, null])
  })

  it('leaves VMs that were complete', async () => {
    const service = await startService(memoryOf(PAGES), ['--policy', 'lazy-sweep'])
    const vmm = await service.vmm(one)
    await service.talker.next('vm')
    await new Promise(resolve => setTimeout(resolve, 100))
    process.kill(service.handlerPid, 'SIGKILL')
    expect(await ended(service.talker)).toEqual([1, null])
    expect((await vmm.ask(`read 0 ${LENGTH}`)).sha256).toBe(sha256(service.memory))
  })

  it('leaves all of them, with a message, when it was told so', async () => {
    const service = await startService(memoryOf(PAGES), ['--policy', 'lazy', '--on-failure', 'leave'])
    const vmm = await service.vmm(one)
    await vmm.ask(`read 0 ${PAGE}`)
    process.kill(service.handlerPid, 'SIGKILL')
    expect(await ended(service.talker)).toEqual([1, null])
    expect(service.talker.stderr).toContain(
      `process ${vmm.child.pid}: nobody serves its memory any more; the VMM is left`,
    )
    expect((await vmm.ask(`read 0 ${PAGE}`)).sha256).toBe(sha256(service.memory.subarray(0, PAGE)))
  })

  it('finishes its VMs when it is the supervisor that is killed', async () => {
    const service = await startService(memoryOf(PAGES), ['--policy', 'lazy'])
    const vmm = await service.vmm(one)
    await vmm.ask(`read 0 ${PAGE}`)
    service.talker.child.kill('SIGKILL')
    const until = Date.now() + 10_000
    while (existsSync(`/proc/${service.handlerPid}`) && Date.now() < until) await new Promise(go => setTimeout(go, 50))
    expect(existsSync(`/proc/${service.handlerPid}`)).toBe(false)
    expect((await vmm.ask(`read 0 ${LENGTH}`)).sha256).toBe(sha256(service.memory))
  })
})

describe('SIGTERM', { timeout: 60_000 }, () => {
  it.each([['lazy', '--no-supervisor'], ['lazy:handlers=3'], ['adaptive']])(
    'gives VMs under %s %s all of their memory, and lets them go',
    async (...policy) => {
      const service = await startService(memoryOf(PAGES), ['--policy', ...policy])
      const vmm = await service.vmm({ ...one, regions: [100 * PAGE, LENGTH - 100 * PAGE] })
      await vmm.ask(`remove ${7 * PAGE} ${PAGE}`)
      await vmm.ask(`read 0 ${9 * PAGE}`)
      service.talker.child.kill('SIGTERM')
      expect(await ended(service.talker)).toEqual([0, null])
      expect(await service.talker.next('vm')).toMatchObject({ end: 'complete', errors: 0 })
      const expected = Buffer.from(service.memory).fill(0, 7 * PAGE, 8 * PAGE)
      expect((await vmm.ask(`read 0 ${LENGTH}`)).sha256).toBe(sha256(expected))
      await vmm.ask(`remove ${20 * PAGE} ${PAGE}`)
      expect(await vmm.ask(`read ${20 * PAGE} ${PAGE}`)).toMatchObject({ zero: true })
      expect(existsSync(service.socket)).toBe(false)
    },
  )

  it.each([[[]], [['--no-supervisor']]])('serves those who have connected before it (%j)', async supervisor => {
    const service = await startService(memoryOf(PAGES), ['--policy', 'lazy', ...supervisor])
    const [first, second] = [service.talker.child.pid!, service.handlerPid]
    for (const pid of new Set([first, second])) process.kill(pid, 'SIGSTOP')
    const vmm = await service.vmm(one)
    await new Promise(resolve => setTimeout(resolve, 200))
    process.kill(first, 'SIGTERM')
    for (const pid of new Set([first, second])) process.kill(pid, 'SIGCONT')
    expect(await ended(service.talker)).toEqual([0, null])
    expect((await vmm.ask(`read 0 ${LENGTH}`)).sha256).toBe(sha256(service.memory))
  })

  it('ends a service without VMs at once', async () => {
    const service = await startService(memoryOf(1), [])
    service.talker.child.kill('SIGINT')
    expect(await ended(service.talker)).toEqual([0, null])
    expect(service.talker.stderr).toBe('')
  })
})

describe('a page that cannot be read', { timeout: 60_000 }, () => {
  it('ends the VMM, before it sees anything in its place', async () => {
    const service = await startService(memoryOf(PAGES), ['--policy', 'lazy'])
    const vmm = await service.vmm(one)
    const other = await service.vmm(one)
    await vmm.ask(`read 0 ${100 * PAGE}`)
    truncateSync(join(service.folder, 'vm.mem'), 300 * PAGE)
    vmm.send(`read 0 ${LENGTH}`)
    // Whichever comes first: its own access, which the kernel refuses, or SIGKILL.
    expect(['SIGBUS', 'SIGKILL']).toContain((await ended(vmm))[1])
    const report = await service.talker.next('vm')
    expect(report.pid).toBe(vmm.child.pid)
    expect(['ended', 'killed']).toContain(report.end)
    const [, offset] = report.reason.match(/vm\.mem: offset (\d+): found 0 bytes, expected 4096/) ?? []
    // How a copy of memory goes about it is the processor's C library's to choose; some look at its end first.
    expect(Number(offset)).toBeGreaterThanOrEqual(300 * PAGE)
    expect(Number(offset)).toBeLessThan(LENGTH)
    expect(service.talker.stderr).toMatch(/VM 1 \(process \d+\): .*; the VMM (is killed|has ended)\n/)
    expect((await other.ask(`read 0 ${300 * PAGE}`)).sha256).toBe(sha256(service.memory.subarray(0, 300 * PAGE)))
  })
})

describe('a VMM that is to be left', { timeout: 60_000 }, () => {
  it.each(['a limit', 'a second signal'])('is served as far as that goes, until %s ends it', async how => {
    const limit = how === 'a limit' ? '1s' : '60s'
    const parameters = ['--policy', 'lazy', '--on-failure', 'leave', '--drain-limit', limit]
    const service = await startService(memoryOf(PAGES), parameters)
    const vmm = await service.vmm(one)
    await vmm.ask(`read 0 ${PAGE}`)
    truncateSync(join(service.folder, 'vm.mem'), 300 * PAGE)
    service.talker.child.kill('SIGTERM')
    await service.talker.says(/VM 1 .*vm\.mem: offset 1228800: .*; the VMM is left\n/)
    expect((await vmm.ask(`read 0 ${300 * PAGE}`)).sha256).toBe(sha256(service.memory.subarray(0, 300 * PAGE)))
    if (how === 'a second signal') {
      await new Promise(resolve => setTimeout(resolve, 1100))
      service.talker.child.kill('SIGTERM')
    }
    expect(await ended(service.talker)).toEqual([1, null])
    expect(await service.talker.next('vm')).toMatchObject({ end: 'left', errors: 212, installedPages: 300 })
    expect(vmm.child.exitCode ?? vmm.child.signalCode).toBeNull()
  })
})

describe('a VMM that ends while its memory is filled', { timeout: 60_000 }, () => {
  it.each(['lazy-sweep:chunk=4K', 'adaptive:pause=100us'])('is no failure under %s', async policy => {
    const pages = 32_768
    const service = await startService(memoryOf(pages), ['--policy', policy])
    for (let vm = 1; vm <= 3; vm++) {
      const vmm = await service.vmm({ regions: [pages * PAGE], pageSize: PAGE })
      await vmm.ask(`read 0 ${PAGE}`)
      vmm.child.kill('SIGKILL')
      expect(await service.talker.next('vm')).toMatchObject({ vm, end: 'ended', reason: null, errors: 0 })
    }
    expect(service.talker.stderr).toBe('')
  })
})

describe('a handshake', { timeout: 60_000 }, () => {
  const short = ['--policy', 'lazy', '--handshake-limit', '300ms']

  const wrong: readonly [Partial<TinyVmmOptions>, RegExp][] = [
    [{ message: '[{"size": }]' }, /memory regions: found no JSON/],
    [{ message: '{"size": 1}' }, /byte 0: found 0x7b, expected a JSON array of regions/],
    [{ message: '[{"size": 1}' }, /found no more within 0.3 s after 12 bytes, no whole array and a u/],
    [{ regions: [LENGTH - PAGE] }, /\(2093056 bytes\), expected the 2 MiB \(2097152 bytes\) of raw:.* \(ram\)$/],
    [{ regions: [LENGTH, PAGE] }, /found an end at 2101248, expected at most 2097152/],
    [{ features: UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_REMAP }, /UFFD_FEATURE_EVENT_REMAP/],
  ]

  it('that cannot be served is refused in one line, its VMM killed, and others go on', async () => {
    const service = await startService(memoryOf(PAGES), short)
    const before = await service.vmm(one)
    for (const [options, pattern] of wrong) {
      const vmm = await service.vmm({ ...one, ...options })
      const refusal = await service.talker.next('refused')
      expect(refusal).toMatchObject({ pid: vmm.child.pid, killed: true })
      expect(refusal.reason).toMatch(pattern)
      expect(await ended(vmm)).toEqual(KILLED)
    }
    await service.talker.says(new RegExp(`(refused and killed[^]*){${wrong.length}}`))
    expect(service.talker.stderr.trim().split('\n')).toHaveLength(wrong.length)
    expect((await before.ask(`read 0 ${LENGTH}`)).sha256).toBe(sha256(service.memory))
  })

  it('without a userfaultfd is closed, and nobody is killed', async () => {
    const service = await startService(memoryOf(PAGES), short)
    const wrong = await service.vmm({ ...one, withoutUffd: true, withMemfd: true })
    const refusal = await service.talker.next('refused')
    expect(refusal).toMatchObject({ pid: wrong.child.pid, killed: false })
    expect(refusal.reason).toMatch(/found no more within 0.3 s .* and no userfaultfd/)
    await new Promise(resolve => setTimeout(resolve, 200))
    expect(wrong.child.exitCode ?? wrong.child.signalCode).toBeNull()
  })

  it('of one VM too many is refused', async () => {
    const service = await startService(memoryOf(PAGES), ['--policy', 'lazy', '--max-vms', '1'])
    const vmm = await service.vmm(one)
    await vmm.ask(`read 0 ${PAGE}`)
    expect(await ended(await service.vmm(one))).toEqual(KILLED)
    expect((await service.talker.next('refused')).reason).toMatch(/found 1 VMs, expected at most 1; see --max-vms/)
    expect((await vmm.ask(`read 0 ${LENGTH}`)).sha256).toBe(sha256(service.memory))
  })
})

describe('the command', { timeout: 60_000 }, () => {
  it.each([
    ['a policy that loads', ['--policy', 'eager'], 2, /policy: found "eager", which loads or maps/],
    ['a policy that is none', ['--policy', 'lazzy'], 2, /policy: found "lazzy"/],
    ['a policy without its working set', ['--policy', 'reap'], 2, /working set/],
    ['a block that is not there', ['--block', 'm0'], 2, /--block: found "m0", expected one of ram/],
    ['no VMs', ['--max-vms', '0'], 2, /--max-vms: found 0/],
    [
      'a policy that loads, without a supervisor,',
      ['--policy', 'eager', '--no-supervisor'],
      2,
      /policy: found "eager"/,
    ],
  ])('refuses %s before it listens', async (_, parameters, status, pattern) => {
    const service = await startService(memoryOf(1), parameters, { expectListening: false })
    expect(await ended(service.talker)).toEqual([status, null])
    expect(service.talker.stderr).toMatch(pattern)
    expect(existsSync(service.socket)).toBe(false)
  })

  it('refuses a socket that another one listens at', async () => {
    const service = await startService(memoryOf(1), [])
    const second = await startService(memoryOf(1), ['--socket', service.socket], { expectListening: false })
    expect(await ended(second.talker)).toEqual([1, null])
    expect(second.talker.stderr).toContain(`${service.socket}: cannot listen: found EADDRINUSE`)
    expect(existsSync(service.socket)).toBe(true)
  })
})
