/**
 * A userfaultfd of the model kernel, seen through the same interface as the real one. Range operations check in the order of
 * the kernel (docs/conform/validation.tsv): the first check that fails decides the errno, and whether the out field is written.
 */

import {
  UFFD_EVENT_FORK,
  UFFD_FEATURE_WP_ASYNC,
  UFFD_FEATURE_WP_UNPOPULATED,
  UFFDIO_COPY_MODE_DONTWAKE,
  UFFDIO_COPY_MODE_WP,
  UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
  UFFDIO_WRITEPROTECT_MODE_WP,
} from '../constants.ts'
import type { FaultChannel, MessageBuffer, Outcome } from '../kernel.ts'
import type { Context } from './context.ts'
import {
  checkInstall,
  continuePage,
  copyPage,
  type InstallOperation,
  type InstallTarget,
  poisonPage,
  zeroPage,
} from './install.ts'
import type { ModelKernel } from './model-kernel.ts'
import type { ModelProcess } from './model-process.ts'
import { checkMove, movePage } from './move.ts'
import { EAGAIN, EBADF, EEXIST, EINTR, EINVAL, EIO, ENOENT, ESRCH, PAGE_SIZE, TASK_SIZE } from './numbers.ts'
import { offeredIoctls, registerRange, unregisterRange } from './registration.ts'
import { readSource } from './source.ts'
import { pageSizeOf } from './vma.ts'
import { writeProtect } from './write-protect.ts'

const ALL_MODES = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP | UFFDIO_REGISTER_MODE_MINOR

export class ModelUserfaultfd implements FaultChannel {
  bytesDone = 0
  errno = 0
  features = 0
  ioctls = 0
  /** Called by `poll` when there is nothing to read: lets a test's simulated threads run on. */
  onIdle: (() => void) | null = null
  readonly descriptor: number
  readonly #kernel: ModelKernel
  readonly #context: Context
  /** The process that calls: COPY reads its memory. Another one than the context's after a fork. */
  readonly #caller: ModelProcess
  #closed = false
  #retriesLeft: number
  #racesLeft: number
  #replacedAreasLeft: number
  #disturbancesLeft: number
  #emptyReadsLeft: number
  #interruptedPollsLeft: number

  constructor(kernel: ModelKernel, context: Context, caller: ModelProcess, descriptor: number) {
    this.#kernel = kernel
    this.#context = context
    this.#caller = caller
    this.descriptor = descriptor
    const { injection } = kernel
    this.#retriesLeft = injection.retriesAfterEvent
    this.#racesLeft = injection.races
    this.#replacedAreasLeft = injection.replacedAreas
    this.#disturbancesLeft = injection.disturbances
    this.#emptyReadsLeft = injection.emptyReads
    this.#interruptedPollsLeft = injection.interruptedPolls
  }

  /** Sleeping threads: those whose message was not read yet, and all (`pending` and `total` of fdinfo). */
  get counters(): { readonly pending: number; readonly total: number } {
    return this.#context.counters
  }

  api(features: number): Outcome {
    if (this.#closed) return this.#end(EBADF)
    const { traits } = this.#kernel
    if ((features & ~traits.features) !== 0 || this.#context.initialised) return this.#end(EINVAL)
    this.#context.initialised = true
    this.#context.features =
      (features & UFFD_FEATURE_WP_ASYNC) !== 0 ? features | UFFD_FEATURE_WP_UNPOPULATED : features
    this.features = traits.features
    return this.#end(0)
  }

  register(start: number, length: number, mode: number): Outcome {
    const refused = this.#refuse() || invalidRange(start, length)
    if (refused !== 0) return this.#end(refused)
    if (mode === 0 || (mode & ~ALL_MODES) !== 0) return this.#end(EINVAL)
    const { traits } = this.#kernel
    const errno = registerRange(this.#context, traits, start, start + length, mode)
    if (errno === 0) this.ioctls = offeredIoctls(this.#context.mm, start, start + length, mode)
    return this.#end(errno)
  }

  unregister(start: number, length: number): Outcome {
    const refused = this.#refuse() || invalidRange(start, length)
    if (refused !== 0) return this.#end(refused)
    return this.#end(unregisterRange(this.#context, this.#kernel.traits, start, start + length))
  }

  copy(destination: number, source: number, length: number, mode: number): Outcome {
    const sourceErrno = length % PAGE_SIZE !== 0 || length <= 0 || source + length > TASK_SIZE ? EINVAL : 0
    return this.#install(
      'copy',
      destination,
      length,
      mode,
      UFFDIO_COPY_MODE_DONTWAKE | UFFDIO_COPY_MODE_WP,
      sourceErrno,
      (target, address) => {
        const bytes = readSource(this.#caller, source + address - destination, pageSizeOf(target.vma))
        return copyPage(target, address, bytes)
      },
    )
  }

  zeropage(start: number, length: number, mode: number): Outcome {
    return this.#install('zeropage', start, length, mode, UFFDIO_COPY_MODE_DONTWAKE, 0, zeroPage)
  }

  continue(start: number, length: number, mode: number): Outcome {
    return this.#install(
      'continue',
      start,
      length,
      mode,
      UFFDIO_COPY_MODE_DONTWAKE | UFFDIO_COPY_MODE_WP,
      0,
      continuePage,
    )
  }

  poison(start: number, length: number, mode: number): Outcome {
    return this.#install('poison', start, length, mode, UFFDIO_COPY_MODE_DONTWAKE, 0, poisonPage)
  }

  move(destination: number, source: number, length: number, mode: number): Outcome {
    const { mm } = this.#context
    const refused =
      this.#refuseRange() ||
      (mm !== this.#caller.mm ? EINVAL : 0) ||
      invalidRange(destination, length) ||
      invalidRange(source, length) ||
      invalidMode(mode, UFFDIO_COPY_MODE_DONTWAKE | UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES) ||
      checkMove(this.#context, destination, source, length, mm)
    if (refused !== 0) return this.#end(refused)
    const allowHoles = (mode & UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES) !== 0
    return this.#eachPage(destination, length, PAGE_SIZE, mode, address =>
      movePage(mm, address, source + address - destination, allowHoles),
    )
  }

  writeprotect(start: number, length: number, mode: number): Outcome {
    const both = UFFDIO_WRITEPROTECT_MODE_WP | UFFDIO_WRITEPROTECT_MODE_DONTWAKE
    const refused =
      this.#refuseRange() ||
      invalidRange(start, length) ||
      invalidMode(mode, both) ||
      ((mode & both) === both ? EINVAL : 0) ||
      (this.#context.mm.gone ? ESRCH : 0) ||
      writeProtect(this.#context.mm, start, length, (mode & UFFDIO_WRITEPROTECT_MODE_WP) !== 0)
    if (refused === 0 && mode === 0) this.#context.wake(start, length)
    return this.#end(refused)
  }

  wake(start: number, length: number): Outcome {
    const refused = this.#refuse() || invalidRange(start, length)
    if (refused === 0) this.#context.wake(start, length)
    return this.#end(refused)
  }

  /** Never waits: nothing happens in a model while nobody calls it, except what `onIdle` does. */
  poll(_timeoutMs: number): boolean {
    if (this.#refuse() !== 0) {
      this.errno = this.#closed ? EBADF : EIO
      return false
    }
    if (this.#interruptedPollsLeft > 0) {
      this.#interruptedPollsLeft--
      this.errno = EINTR
      return false
    }
    this.#context.runDelivered()
    if (!this.#context.readable) this.onIdle?.()
    this.errno = this.#context.readable ? 0 : EAGAIN
    return this.#context.readable
  }

  read(into: MessageBuffer): number {
    this.errno = this.#refuse()
    if (this.errno !== 0) return 0
    if (this.#emptyReadsLeft > 0 && this.#context.readable) {
      this.#emptyReadsLeft--
      this.errno = EAGAIN
      return 0
    }
    let count = 0
    while (count < into.capacity) {
      const next = this.#context.read()
      if (next === undefined) break
      const { message, child } = next
      into.event[count] = message.event
      into.flags[count] = message.flags
      into.address[count] = message.address
      into.end[count] = message.end
      into.extra[count] =
        message.event === UFFD_EVENT_FORK ? this.#kernel.open(child!, this.#caller).descriptor : message.extra
      into.threadId[count] = message.threadId
      count++
    }
    if (count === 0) this.errno = EAGAIN
    if (count > 0 && this.#disturbancesLeft > 0) {
      this.#disturbancesLeft--
      this.#context.disturb()
    }
    return count
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    const { mm } = this.#context
    for (const vma of [...mm.vmas.all]) {
      if (vma.context !== this.#context) continue
      mm.forgetContext(vma)
      mm.vmas.mergeAround(vma.start, vma.end)
    }
    this.#context.release()
  }

  /** Before anything else: open, and API done. */
  #refuse(): number {
    if (this.#closed) return EBADF
    return this.#context.initialised ? 0 : EINVAL
  }

  /** Of range operations: also while an event is outstanding, before anything else is looked at. */
  #refuseRange(): number {
    const refused = this.#refuse()
    if (refused !== 0 || this.#context.changes === 0) return refused
    if (this.#context.hasDelivered && this.#retriesLeft-- <= 0) {
      this.#retriesLeft = this.#kernel.injection.retriesAfterEvent
      this.#context.runDelivered()
    }
    return this.#context.changes > 0 ? EAGAIN : 0
  }

  #install(
    operation: InstallOperation,
    start: number,
    length: number,
    mode: number,
    validModes: number,
    sourceErrno: number,
    step: (target: InstallTarget, address: number) => number,
  ): Outcome {
    const { mm } = this.#context
    const refused =
      this.#refuseRange() ||
      sourceErrno ||
      invalidRange(start, length) ||
      invalidMode(mode, validModes) ||
      (mm.gone ? ESRCH : 0)
    if (refused !== 0) return this.#end(refused)
    const vma = mm.vmas.find(start)
    if (vma !== undefined) mm.vmas.joinFamily(vma) // for a page that may come; before the range is looked at
    if (vma === undefined || start + length > vma.end || vma.context === null) return this.#end(ENOENT)
    const wp = (mode & validModes & UFFDIO_COPY_MODE_WP) !== 0
    const unfit =
      wp && (vma.modes & UFFDIO_REGISTER_MODE_WP) === 0 ? EINVAL : checkInstall(operation, vma, start, length)
    if (unfit !== 0) return this.#end(unfit)
    if (operation === 'copy' && this.#replacedAreasLeft > 0) {
      this.#replacedAreasLeft--
      if (this.#kernel.traits.detectsReplacedArea) return this.#end(EAGAIN)
    }
    const target: InstallTarget = { mm, vma, pool: this.#kernel.smallPages, traits: this.#kernel.traits, wp }
    return this.#eachPage(start, length, pageSizeOf(vma), mode, address => {
      mm.addTable(address)
      // Whoever came first did the same.
      if (operation !== 'poison' && this.#racesLeft > 0 && step(target, address) === 0) this.#racesLeft--
      return step(target, address)
    })
  }

  /** The loop over pages: the first error ends it; what was done by then counts, and wakes. */
  #eachPage(start: number, length: number, pageSize: number, mode: number, step: (address: number) => number): Outcome {
    const { pagesPerCall } = this.#kernel.injection
    const end = start + length
    let address = start
    let errno = 0
    for (; address < end; address += pageSize) {
      errno = pagesPerCall > 0 && address === start + pagesPerCall * pageSize ? EAGAIN : step(address)
      if (errno !== 0) break
    }
    const done = address - start
    if (done > 0 && (mode & UFFDIO_COPY_MODE_DONTWAKE) === 0) this.#context.wake(start, done)
    return this.#end(done > 0 && errno !== 0 ? EAGAIN : errno, done)
  }

  #end(errno: number, bytesDone = 0): Outcome {
    this.errno = errno
    this.bytesDone = bytesDone
    if (errno === 0) return 'done'
    if (errno === EAGAIN) return bytesDone > 0 ? 'partial' : 'retry'
    return errno === EEXIST ? 'exists' : 'failed'
  }
}

function invalidRange(start: number, length: number): number {
  const aligned = start % PAGE_SIZE === 0 && length % PAGE_SIZE === 0
  return aligned && length > 0 && start + length <= TASK_SIZE ? 0 : EINVAL
}

function invalidMode(mode: number, valid: number): number {
  return (mode & ~valid) === 0 ? 0 : EINVAL
}
