/** Threads that wait for a page of a restore on the model kernel, one access each, and what a test wants to know of them. */
import { testBit } from '../../../src/core/bitmap.ts'
import { touch } from '../../../src/uffd/model/access.ts'
import type { ModelThread, ThreadProgram } from '../../../src/uffd/model/thread.ts'
import type { ModelRestore } from './model-support.ts'

export class Sleeper {
  readonly page: number
  readonly offset: number
  readonly thread: ModelThread
  /** The restore had failed by the moment at which the thread went on. */
  knewOfFailure = false
  readonly #restore: ModelRestore

  /** Reads a byte of a host page; most often it must wait. */
  constructor(restore: ModelRestore, page: number, offset = 0) {
    this.#restore = restore
    this.page = page
    this.offset = offset
    this.thread = restore.vm.createThread()
    this.thread.start(this.#program())
  }

  *#program(): ThreadProgram {
    const { vm, map, state } = this.#restore
    const address = map.addressOf(this.page) + this.offset
    const options = { write: false, kernelMode: false, length: 1, value: 0 }
    const ending = yield* touch(this.thread, vm.mm, vm.pool, address, options)
    this.knewOfFailure = state.failed
    return ending
  }

  /** `asleep`, a signal, `right`: what an eager load leaves, or the byte that was read. */
  get saw(): string | number {
    if (this.thread.blocked) return 'asleep'
    if (this.thread.ending !== 'ok') return this.thread.ending!
    return this.thread.value === this.#restore.eagerByte(this.page, this.offset) ? 'right' : this.thread.value
  }
}

export function sleepersOn(restore: ModelRestore, pages: readonly number[], offset = 0): Sleeper[] {
  return pages.map(page => new Sleeper(restore, page, offset))
}

/** Handlers and workers in turn, a step each; how often they were asked until `done`, at most `limit` times. */
export function stepUntil(restore: ModelRestore, done: () => boolean, limit: number): number {
  let steps = 0
  for (; !done(); steps++) {
    if (steps === limit) throw new Error(`found no end after ${limit} rounds`)
    for (const handler of restore.handlers) handler.step(0)
    for (const worker of restore.workers) worker.step()
  }
  return steps
}

/** The same until nobody sleeps. */
export function wakeAll(restore: ModelRestore, sleepers: readonly Sleeper[], limit: number): number {
  return stepUntil(restore, () => sleepers.every(({ thread }) => !thread.blocked), limit)
}

/** Host pages that are marked as installed and have other bytes than an eager load leaves. */
export function wrongPages(restore: ModelRestore): number[] {
  return hostPages(restore).filter(page => {
    const start = restore.map.addressOf(page)
    const { installed } = restore.state.shared
    return testBit(installed, page) && (!restore.isPresent(start) || !isEager(restore, page))
  })
}

export function installedPages(restore: ModelRestore): number[] {
  return hostPages(restore).filter(page => testBit(restore.state.shared.installed, page))
}

function hostPages({ layout }: ModelRestore): number[] {
  return Array.from({ length: layout.hostPageCount }, (_, page) => page)
}

function isEager(restore: ModelRestore, page: number): boolean {
  return restore.bytesOf(page).every((byte, offset) => byte === restore.eagerByte(page, offset))
}
