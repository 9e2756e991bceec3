/** The command with VMMs in processes of their own: what each reads, and how each is let go. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { MIB } from '../../../src/core/units.ts'
import { probe } from '../../../src/uffd/availability.ts'
import { hugePageReason } from '../../../src/uffd/huge-pages.ts'
import { requireForEach, requireOrSkip } from '../../support/availability.ts'
import { reserveHugePages } from '../../support/huge-pages.ts'
import { runCommand } from './run-command.ts'
import { ended, memoryOf, PAGE, type Service, sha256, startService } from './support.ts'

requireForEach(() => probe().userfaultfd)

const PAGES = 512
const LENGTH = PAGES * PAGE
const two = { regions: [LENGTH / 2, LENGTH / 2], pageSize: PAGE } as const

/** With zeros where it was removed. */
function expectedOf({ memory }: Service, removed: readonly (readonly [offset: number, length: number])[]): string {
  const copy = Buffer.from(memory)
  for (const [offset, length] of removed) copy.fill(0, offset, offset + length)
  return sha256(copy)
}

function openUserfaultfds(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter(fd => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`) === 'anon_inode:[userfaultfd]'
    } catch {
      return false
    }
  }).length
}

describe('a VM', { timeout: 60_000 }, () => {
  // Other policies: test/uffd-handler.
  it.each(['lazy', 'read-around', 'qemu-11.2'])(
    'gets the memory of the snapshot by %s, and is let go when it is complete',
    async policy => {
      const service = await startService(memoryOf(PAGES), ['--policy', policy])
      const vmm = await service.vmm(two)
      expect((await vmm.ask(`read 0 ${LENGTH}`)).sha256).toBe(sha256(service.memory))
      const report = await service.talker.next('vm')
      expect(report).toMatchObject({ vm: 1, pid: vmm.child.pid, end: 'complete', reason: null, errors: 0 })
      expect(report.copies + report.zeropages).toBe(PAGES)
      // A fill that is done before the first touch leaves none.
      if (policy === 'lazy') expect(report.faults).toBe(PAGES)
      expect(openUserfaultfds(service.handlerPid)).toBe(0)
    },
  )

  it('gets zeros where it has removed memory, before and after it is complete', async () => {
    const service = await startService(memoryOf(PAGES), ['--policy', 'lazy'])
    const vmm = await service.vmm(two)
    const removed: [number, number][] = [
      [4 * PAGE, 7 * PAGE],
      [300 * PAGE, PAGE],
    ]
    await vmm.ask(`read 0 ${10 * PAGE}`)
    for (const [offset, length] of removed) expect(await vmm.ask(`remove ${offset} ${length}`)).toEqual({ done: true })
    expect(await vmm.ask(`read ${4 * PAGE} ${7 * PAGE}`)).toMatchObject({ zero: true })
    expect((await vmm.ask(`read 0 ${LENGTH}`)).sha256).toBe(expectedOf(service, removed))
    await vmm.ask(`write ${5 * PAGE} 9`)
    expect((await vmm.ask(`read ${5 * PAGE} 1`)).zero).toBe(false)
    const report = await service.talker.next('vm')
    expect(report).toMatchObject({ end: 'complete', removedPages: 8, errors: 0 })
    removed.push([40 * PAGE, 60 * PAGE])
    expect(await vmm.ask(`remove ${40 * PAGE} ${60 * PAGE}`)).toEqual({ done: true })
    expect(await vmm.ask(`read ${40 * PAGE} ${60 * PAGE}`)).toMatchObject({ zero: true })
    await vmm.ask(`remove ${5 * PAGE} ${PAGE}`)
    expect((await vmm.ask(`read 0 ${LENGTH}`)).sha256).toBe(expectedOf(service, removed))
  })

  it('may remove memory while the background fills it', async () => {
    const pages = 16_384
    const service = await startService(memoryOf(pages), ['--policy', 'lazy-sweep:chunk=16K,handlers=2'])
    const vmm = await service.vmm({ regions: [pages * PAGE], pageSize: PAGE })
    const removed = Array.from({ length: 60 }, (_, i): [number, number] => [i * 273 * PAGE, ((i % 5) + 1) * PAGE])
    for (const [offset, length] of removed) expect(await vmm.ask(`remove ${offset} ${length}`)).toEqual({ done: true })
    expect((await vmm.ask(`read 0 ${pages * PAGE}`)).sha256).toBe(expectedOf(service, removed))
    expect(await service.talker.next('vm')).toMatchObject({ end: 'complete', errors: 0 })
  })

  it('frees everything when it ends before it is complete, and others go on', async () => {
    const service = await startService(memoryOf(PAGES), ['--policy', 'lazy:handlers=2'])
    const vmms = [await service.vmm(two), await service.vmm(two), await service.vmm(two)]
    await Promise.all(vmms.map(vmm => vmm.ask(`read 0 ${100 * PAGE}`)))
    service.talker.child.kill('SIGUSR2')
    expect((await service.talker.next('status')).vms).toMatchObject([{ vm: 1 }, { vm: 2 }, { vm: 3 }])
    vmms[1].child.kill('SIGKILL')
    const killed = await service.talker.next('vm')
    expect(killed).toMatchObject({ pid: vmms[1].child.pid, end: 'ended', reason: null, faults: 100 })
    vmms[0].child.stdin!.end()
    expect(await service.talker.next('vm')).toMatchObject({ pid: vmms[0].child.pid, end: 'ended' })
    expect(openUserfaultfds(service.handlerPid)).toBe(1)
    expect((await vmms[2].ask(`read 0 ${LENGTH}`)).sha256).toBe(sha256(service.memory))
    await service.talker.next('vm')
    expect(openUserfaultfds(service.handlerPid)).toBe(0)
  })

  it('may close the socket, send its descriptor late and another one before it', async () => {
    const service = await startService(memoryOf(PAGES), ['--policy', 'lazy'])
    const vmm = await service.vmm({ ...two, hangsUp: true, firstBytes: 20, withMemfd: true })
    await vmm.ask(`read 0 ${10 * PAGE}`)
    await new Promise(resolve => setTimeout(resolve, 300))
    expect((await vmm.ask(`read 0 ${LENGTH - PAGE}`)).sha256).toBe(sha256(service.memory.subarray(0, LENGTH - PAGE)))
    vmm.child.kill('SIGKILL')
    expect(await service.talker.next('vm')).toMatchObject({ end: 'ended' })
  })
})

describe('on huge pages', { timeout: 60_000 }, () => {
  const HUGE = 2 * MIB
  reserveHugePages(HUGE, 8)

  it('gets mixed pages whole, zeros where it has removed memory, and is let go', async context => {
    requireOrSkip(context, hugePageReason(HUGE, 8))
    const memory = Buffer.concat([memoryOf(1024), Buffer.alloc(2 * HUGE), memoryOf(1024)])
    const service = await startService(memory, ['--policy', 'lazy', '--find-zeros'])
    const vmm = await service.vmm({ regions: [3 * HUGE, 3 * HUGE], pageSize: HUGE })
    await vmm.ask(`read 0 ${3 * HUGE}`)
    expect(await vmm.ask(`remove ${HUGE} ${HUGE}`)).toEqual({ done: true })
    expect((await vmm.ask(`read 0 ${memory.length}`)).sha256).toBe(expectedOf(service, [[HUGE, HUGE]]))
    expect(await service.talker.next('vm')).toMatchObject({ end: 'complete', hostPages: 6, zeropages: 0, errors: 0 })
  })
})

describe('a snapshot of several blocks', { timeout: 60_000 }, () => {
  it('is served by the one that is the memory, whose recordings and working sets are those of the snapshot', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-blocks-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const snapshot = join(folder, 'pc.mig')
    const packed = new URL('../../fixtures/snapshots/pc-16m.mig.gz', import.meta.url)
    writeFileSync(snapshot, gunzipSync(readFileSync(packed)))
    const inspected = JSON.parse((await runCommand(['inspect', snapshot, '--hash', '--json'])).stdout)
    const blocks: { name: string; usedLength: number; sha256: string }[] = inspected.blocks
    // One with others before it, whose pages have other numbers in the snapshot.
    const names = blocks.map(({ name }) => name)
    expect(names.length).toBeGreaterThan(2)
    for (const { name, usedLength, sha256: expected } of [blocks[0], blocks.at(-1)!]) {
      const parameters = [
        '--policy',
        'lazy',
        '--block',
        name,
        '--record',
        `${folder}/${name.replaceAll('/', '_')}.lrtrace`,
      ]
      const service = await startService(Buffer.alloc(0), parameters, { snapshot })
      const vmm = await service.vmm({ regions: [usedLength], pageSize: PAGE })
      expect((await vmm.ask(`read 0 ${usedLength}`)).sha256).toBe(expected)
      expect(await service.talker.next('vm')).toMatchObject({ end: 'complete', errors: 0 })
      const trace = parameters.at(-1)!
      await service.talker.until(() => existsSync(trace), 'a recording')
      const built = `${trace}.lrws`
      expect((await runCommand(['workingset', 'build', snapshot, trace, '-o', built])).stderr).toBe('')
      for (const given of [trace, built]) {
        const more = ['--policy', 'working-set', '--block', name, '--working-set', given]
        const again = await startService(Buffer.alloc(0), more, { snapshot })
        const next = await again.vmm({ regions: [usedLength], pageSize: PAGE })
        expect((await next.ask(`read 0 ${usedLength}`)).sha256).toBe(expected)
      }
      const wrong = ['--policy', 'working-set', '--block', names[1], '--working-set', built]
      const other = await startService(Buffer.alloc(0), wrong, { snapshot })
      const refused = await other.vmm({ regions: [blocks[1].usedLength], pageSize: PAGE })
      expect((await other.talker.next('refused')).reason).toMatch(/found pages of other blocks, expected those of/)
      expect(await ended(refused)).toEqual([null, 'SIGKILL'])
    }
    const whole = await startService(Buffer.alloc(0), ['--policy', 'lazy'], { snapshot })
    await whole.vmm({ regions: [blocks[0].usedLength], pageSize: PAGE })
    expect((await whole.talker.next('refused')).reason).toMatch(/; --block takes one of them$/)
  })
})

describe('what earlier runs used', { timeout: 60_000 }, () => {
  it('is recorded, and installed first', async () => {
    const first = await startService(memoryOf(PAGES), ['--policy', 'lazy', '--record', 'FOLDER/run.lrtrace'])
    const vmm = await first.vmm(two)
    await vmm.ask(`read ${200 * PAGE} ${50 * PAGE}`)
    vmm.child.kill('SIGKILL')
    expect(await first.talker.next('vm')).toMatchObject({ end: 'ended', faults: 50 })
    const trace = join(first.folder, 'run.lrtrace')
    await first.talker.until(() => existsSync(trace), 'a recording')
    const built = join(first.folder, 'vm.lrws')
    const snapshot = `raw:${join(first.folder, 'vm.mem')}`
    expect((await runCommand(['workingset', 'build', snapshot, trace, '-o', built])).status).toBe(0)

    for (const file of [trace, built]) {
      const again = await startService(first.memory, ['--policy', 'working-set', '--working-set', file])
      const next = await again.vmm(two)
      await again.talker.until(() => true, 'anything')
      await new Promise(resolve => setTimeout(resolve, 500))
      expect((await next.ask(`read ${200 * PAGE} ${50 * PAGE}`)).sha256).toBe(
        sha256(first.memory.subarray(200 * PAGE, 250 * PAGE)),
      )
      next.child.kill('SIGKILL')
      const report = await again.talker.next('vm')
      expect(report.installedPages).toBeGreaterThanOrEqual(50)
      expect(report.faults).toBe(0)
      again.talker.child.kill('SIGTERM')
      expect(await ended(again.talker)).toEqual([0, null])
    }
  })

  it('is refused when it is of another snapshot', async () => {
    const first = await startService(memoryOf(PAGES), ['--policy', 'lazy', '--record', 'FOLDER/run.lrtrace'])
    const vmm = await first.vmm(two)
    await vmm.ask(`read 0 ${PAGE}`)
    vmm.child.kill('SIGKILL')
    await first.talker.next('vm')
    const trace = join(first.folder, 'run.lrtrace')
    await first.talker.until(() => existsSync(trace), 'a recording')
    const other = await startService(memoryOf(PAGES * 2), ['--working-set', trace], { expectListening: false })
    expect(await ended(other.talker)).toEqual([1, null])
    expect(other.talker.stderr).toMatch(/found a memory of 512 pages, expected 1024/)
  })
})
