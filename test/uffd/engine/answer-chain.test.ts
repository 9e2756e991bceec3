/** What a handler puts off, on the real kernel: one crossing where all goes well, and no page lost where it does not. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { OP_COPY, OP_ZERO_COPY, OP_ZEROPAGE } from '../../../src/resolver/resolver.ts'
import { probe } from '../../../src/uffd/availability.ts'
import { CallChain } from '../../../src/uffd/call-chain.ts'
import { ANSWER_ROWS, AnswerChain } from '../../../src/uffd/engine/answer-chain.ts'
import { FileReader } from '../../../src/uffd/engine/page-reader.ts'
import { Userfaultfd } from '../../../src/uffd/userfaultfd.ts'
import { requireForEach } from '../../support/availability.ts'
import { createRig, messages, PAGE, type Rig, sleepers } from '../support.ts'

const { EAGAIN, EBADF, EIO } = constants.errno
const FILE_PAGES = 4

interface Answering {
  readonly rig: Rig
  readonly answers: AnswerChain
  readonly path: string
  /** Where reads go: memory that is not registered. */
  readonly bounce: number
}

function createAnswering(direct = false, pages = 8): Answering {
  const rig = createRig({ pages })
  const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-'))
  const path = join(folder, 'file')
  writeFileSync(
    path,
    Uint8Array.from({ length: FILE_PAGES * PAGE }, (_, i) => 100 + Math.floor(i / PAGE)),
  )
  const chain = new CallChain(ANSWER_ROWS)
  const reader = new FileReader(path, direct)
  onTestFinished(() => {
    chain.close()
    reader.close()
    rmSync(folder, { recursive: true })
  })
  return { rig, answers: new AnswerChain(chain, rig.uffd, reader), path, bounce: rig.source.address }
}

describe('an answer chain', () => {
  requireForEach(() => probe().userfaultfd)

  it('installs what was put off when the handler waits, and reads the next message', async () => {
    const { rig, answers, bounce } = createAnswering()
    const first = rig.touch(0)
    await sleepers(rig.uffd, 1)
    expect(answers.await(1000, messages)).toBe(1)
    expect(answers.putOff(OP_COPY, rig.page(0), bounce, PAGE, 2 * PAGE)).toBe(true)
    const second = rig.touch(1)
    await sleepers(rig.uffd, 2)
    expect(answers.await(1000, messages)).toBe(1)
    expect(messages.address[0]).toBe(rig.page(1))
    expect(answers.settle()).toBe(1)
    expect(await first).toBe(102)
    answers.putOff(OP_ZEROPAGE, rig.page(1), 0, PAGE, 0)
    expect(answers.settle()).toBe(1)
    expect(await second).toBe(0)
  })

  it('makes several installs at a time, and counts those before the first that does not go well', async () => {
    const { rig, answers, bounce } = createAnswering(false, 32)
    const putOff = (page: number, filePage: number): boolean =>
      answers.putOff(OP_COPY, rig.page(page), bounce, PAGE, filePage * PAGE)
    for (let page = 0; !answers.isFull; page++) expect(putOff(page, page % FILE_PAGES)).toBe(true)
    const { count } = answers
    expect(count).toBeGreaterThan(1)
    const touch = rig.touch(count)
    await sleepers(rig.uffd, 1)
    expect(answers.await(1000, messages)).toBe(1)
    expect([messages.address[0], answers.settle(), answers.count]).toEqual([rig.page(count), count, 0])
    const bytes = new Uint8Array(1)
    for (let page = 0; page < count; page++) {
      expect([rig.region.resident.read(rig.page(page), bytes), bytes[0]]).toEqual([1, 100 + (page % FILE_PAGES)])
    }
    answers.putOff(OP_ZEROPAGE, rig.page(count), 0, PAGE, 0)
    putOff(count + 1, 3)
    putOff(0, 2) // is there already
    putOff(count + 2, 1)
    expect(answers.await(1000, messages)).toBe(0)
    expect([answers.errno, answers.settle()]).toEqual([EAGAIN, 2])
    expect(await touch).toBe(0)
    expect(rig.region.resident.read(rig.page(count + 1), bytes)).toBe(1)
    expect(rig.region.resident.read(rig.page(count + 2), bytes)).toBe(0)
    putOff(count + 2, 1)
    expect(answers.settle()).toBe(1)
    expect([rig.region.resident.read(rig.page(count + 2), bytes), bytes[0]]).toEqual([1, 101])
  })

  it('reads messages that are there without a wait, and waits where there are none', async () => {
    const { rig, answers, bounce } = createAnswering()
    const first = rig.touch(0)
    await sleepers(rig.uffd, 1)
    expect([answers.await(0, messages, true), answers.wasThere]).toEqual([1, true])
    expect(answers.putOff(OP_COPY, rig.page(0), bounce, PAGE, PAGE)).toBe(true)
    expect([answers.await(0, messages, true), answers.wasThere]).toEqual([0, false])
    expect([answers.errno, answers.settle()]).toEqual([EAGAIN, 1])
    expect(await first).toBe(101)
    answers.putOff(OP_COPY, rig.page(0), bounce, PAGE, PAGE) // is there already
    expect(answers.await(5000, messages, true)).toBe(0)
    expect([answers.errno, answers.settle()]).toEqual([EAGAIN, 0])
  })

  it('tells who wants to know between the read and the install, once', () => {
    const { rig, answers, bounce } = createAnswering()
    const page = new Uint8Array(1)
    let told = 0
    const beforeInstall = () => {
      told++
      expect(rig.source.view(0, 1)[0]).toBe(103)
      expect(rig.region.resident.read(rig.page(0), page)).toBe(0)
    }
    answers.putOff(OP_COPY, rig.page(0), bounce, PAGE, 3 * PAGE)
    expect(answers.settle(beforeInstall)).toBe(1)
    expect(answers.settle(beforeInstall)).toBe(0)
    expect(rig.region.resident.read(rig.page(0), page)).toBe(1)
    expect([told, page[0]]).toEqual([1, 103])
  })

  it('tells nobody of an install whose bytes cannot be read', () => {
    const { rig, answers, bounce } = createAnswering()
    answers.putOff(OP_COPY, rig.page(0), bounce, PAGE, FILE_PAGES * PAGE)
    const beforeInstall = () => expect.unreachable()
    expect(answers.settle(beforeInstall)).toBe(0)
    expect(answers.settle(beforeInstall)).toBe(0)
  })

  it('copies from zeros without a read', async () => {
    const { rig, answers } = createAnswering()
    const touch = rig.touch(3)
    await sleepers(rig.uffd, 1)
    answers.putOff(OP_ZERO_COPY, rig.page(3), rig.page(0) - PAGE, PAGE, 0) // the guard page: not there
    expect(answers.settle()).toBe(0)
    answers.putOff(OP_ZERO_COPY, rig.page(3), rig.source.address + 5 * PAGE, PAGE, 0)
    expect(answers.settle()).toBe(1)
    expect(await touch).toBe(6)
  })

  it('has nothing of a page that is there already, nor waits', () => {
    const { rig, answers, bounce } = createAnswering()
    expect(rig.uffd.copy(rig.page(0), rig.source.address, PAGE, 0)).toBe('done')
    answers.putOff(OP_COPY, rig.page(0), bounce + PAGE, PAGE, 0)
    const before = performance.now()
    expect(answers.await(5000, messages)).toBe(0)
    expect(performance.now() - before).toBeLessThan(2500)
    expect(answers.errno).toBe(EAGAIN)
    expect(answers.settle()).toBe(0)
  })

  it('installs nothing when the file ends before the page does', () => {
    const { rig, answers, path, bounce } = createAnswering()
    truncateSync(path, PAGE + 100)
    answers.putOff(OP_COPY, rig.page(0), bounce, PAGE, PAGE)
    expect(answers.settle()).toBe(0)
    const page = new Uint8Array(1)
    expect(rig.region.resident.read(rig.page(0), page)).toBe(0)
  })

  it('leaves a read to the reader that it is not fit for', () => {
    const { rig, answers, bounce } = createAnswering(true)
    expect(answers.putOff(OP_COPY, rig.page(0), bounce, PAGE, 100)).toBe(false)
    expect(answers.putOff(OP_COPY, rig.page(0), bounce, PAGE, PAGE)).toBe(true)
    expect(answers.settle()).toBe(1)
  })

  it('leaves what is put off as it is when the descriptor is asked for something else meanwhile', async () => {
    const { rig, answers, bounce } = createAnswering()
    answers.putOff(OP_COPY, rig.page(2), bounce, PAGE, PAGE)
    expect(rig.uffd.wake(rig.page(5), PAGE)).toBe('done')
    expect(rig.uffd.zeropage(rig.page(6), PAGE, 0)).toBe('done')
    expect(answers.settle()).toBe(1)
    expect(await rig.touch(2)).toBe(101)
  })

  it('says why no message came', () => {
    const { rig, answers, path } = createAnswering()
    expect(answers.await(0, messages)).toBe(0)
    expect(answers.errno).toBe(EAGAIN)
    const chain = new CallChain(ANSWER_ROWS)
    const [closed, unmet] = [Userfaultfd.open(), Userfaultfd.open()]
    const reader = new FileReader(path, false)
    onTestFinished(() => {
      for (const part of [chain, unmet, reader]) part.close()
    })
    const unmetAnswers = new AnswerChain(chain, unmet, reader)
    expect(unmetAnswers.await(1000, messages)).toBe(0)
    expect(unmetAnswers.errno).toBe(EIO)
    closed.close()
    const closedAnswers = new AnswerChain(chain, closed, reader)
    expect(closedAnswers.await(1000, messages)).toBe(0)
    expect(closedAnswers.errno).toBe(EBADF)
    expect(rig.uffd.counters.total).toBe(0)
  })
})
