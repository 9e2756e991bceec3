/**
 * Runs a restore on the model kernel with its threads interleaved at random, from a seed: handlers, workers, and touchers
 * that access memory. Threads take turns step by step; within a carrier's step others run wherever they could on a real
 * machine, nested: who was interrupted goes on when they have done some steps. Ends within a bound of steps, or throws.
 */
import { createRandom, nextUint32, type RandomState } from '../../../src/core/random.ts'
import type { ModelThread } from '../../../src/uffd/model/thread.ts'
import type { ModelRestore, Point } from './model-support.ts'

const DEEPEST = 3

export interface Access {
  readonly page: number
  /** Within the host page. */
  readonly offset: number
  readonly write: boolean
}

/** A thread of the simulation. */
export interface Actor {
  readonly name: string
  /** It can do something now. */
  readonly ready: boolean
  /** The run does not end before. */
  readonly finished: boolean
  /** What may run in the middle of this one's step, and in the middle of whose step this one may run. */
  readonly role: 'toucher' | 'handler' | 'worker'
  step(): void
}

/** Executes accesses one after the other; a write stores what is there anyway. */
export class Toucher implements Actor {
  readonly name: string
  readonly role = 'toucher'
  /** How each access that is over ended. */
  readonly endings: string[] = []
  readonly thread: ModelThread
  readonly #restore: ModelRestore
  readonly #accesses: readonly Access[]
  readonly #isAllowed: (access: Access, value: number) => boolean
  #started = 0

  /** @param isAllowed whether an access may see that byte; what an eager load leaves, unless told otherwise */
  constructor(
    restore: ModelRestore,
    accesses: readonly Access[],
    isAllowed = ({ page, offset }: Access, value: number) => value === restore.eagerByte(page, offset),
  ) {
    this.thread = restore.vm.createThread()
    this.name = `toucher ${this.thread.id}`
    this.#restore = restore
    this.#accesses = accesses
    this.#isAllowed = isAllowed
  }

  get ready(): boolean {
    return !this.thread.blocked && !this.finished
  }

  get finished(): boolean {
    return this.endings.length === this.#accesses.length
  }

  /** The access that it waits in. */
  get current(): Access {
    return this.#accesses[this.endings.length]
  }

  step(): void {
    if (this.#started > this.endings.length) return this.#end()
    const { page, offset, write } = this.#accesses[this.#started++]
    const { vm, map } = this.#restore
    const value = this.#restore.eagerByte(page, offset)
    if (vm.touch(this.thread, map.addressOf(page) + offset, { write, value }) !== 'blocked') this.#end()
  }

  #end(): void {
    const access = this.current
    const { ending, value } = this.thread
    this.endings.push(ending!)
    if (ending !== 'ok' || access.write || this.#restore.state.failed) return
    if (!this.#isAllowed(access, value)) {
      const expected = this.#restore.eagerByte(access.page, access.offset)
      throw new Error(`host page ${access.page}, offset ${access.offset}: read ${value}, expected ${expected}`)
    }
  }
}

export class Interleaver {
  /** Steps that were done. */
  steps = 0
  readonly #restore: ModelRestore
  readonly #actors: readonly Actor[]
  readonly #random: RandomState
  readonly #limit: number
  /** Actors in the middle of a step, the innermost last. */
  readonly #busy: Actor[] = []
  readonly #events: boolean

  /**
   * @param actors beside the restore's handlers and workers
   * @param limit steps after which a run that has not ended never will
   */
  constructor(restore: ModelRestore, actors: readonly Actor[], seed: number, limit: number, events = false) {
    this.#restore = restore
    this.#random = createRandom(seed)
    this.#limit = limit
    this.#events = events
    this.#actors = [...actors, ...handlerActors(restore), ...workerActors(restore)]
    restore.onPoint = point => this.#interrupt(point)
  }

  /** Runs until everybody has finished and no message is left. */
  run(): void {
    // A carrier takes what is thrown in its read for a failed read; so the limit is looked at here too.
    while (this.steps > this.#limit || this.#actors.some(({ finished }) => !finished)) this.#stepOne(this.#actors)
    for (const handler of this.#restore.handlers) handler.step(0)
  }

  #stepOne(among: readonly Actor[]): void {
    const ready = among.filter(actor => actor.ready && !this.#busy.includes(actor))
    if (ready.length === 0) return
    if (++this.steps > this.#limit) throw new Error(this.#describeStall())
    const actor = ready[nextUint32(this.#random) % ready.length]
    this.#busy.push(actor)
    actor.step()
    this.#busy.pop()
  }

  #interrupt(point: Point): void {
    if (this.#busy.length === 0 || this.#busy.length > DEEPEST) return
    const mustPass = point === 'sleep'
    if (!mustPass && nextUint32(this.#random) % 2 === 0) return
    const actors = this.#actors.filter(actor => this.#mayInterrupt(actor, point))
    const steps = 1 + (nextUint32(this.#random) % 3)
    for (let i = 0; i < steps; i++) this.#stepOne(actors)
  }

  /**
   * With events on, a carrier may hold their lock during a call, and a worker waits for a handler: what waits for a thread
   * that stands still until it is done itself would wait for ever.
   */
  #mayInterrupt({ role }: Actor, point: Point): boolean {
    if (role === 'toucher' || !this.#events) return true
    return role === 'handler' && point !== 'call'
  }

  #describeStall(): string {
    const left = this.#actors.filter(({ finished }) => !finished).map(({ name }) => name)
    const { pending, total } = this.#restore.channel.counters
    return `found no end after ${this.#limit} steps: ${left.join(', ')} not done, ${total} asleep, ${pending} of them unread`
  }
}

function handlerActors({ handlers }: ModelRestore): Actor[] {
  return handlers.map((handler, i) => ({
    name: `handler ${i}`,
    role: 'handler',
    ready: true,
    finished: true,
    step: () => handler.step(0),
  }))
}

function workerActors({ workers, state, mechanism }: ModelRestore): Actor[] {
  return workers.map((worker, i) => {
    let finished = false
    return {
      name: `worker ${i}`,
      role: 'worker',
      get ready() {
        // One that yields sleeps then, and a sleeping thread of a single-threaded simulation sleeps for ever.
        return !finished && !(mechanism.yieldToFaults && state.faultsOpen > 0)
      },
      get finished() {
        return finished
      },
      step: () => {
        finished = !worker.step()
      },
    }
  })
}
