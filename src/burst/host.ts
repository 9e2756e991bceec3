/**
 * One host of a burst: its cores and their agenda, its page caches, and the restores that run on it. Each restore is the very
 * simulation of src/sim; its actors are some of the agenda's, and a read whose end is not known yet is a timer that is set when it is.
 */
import type { LatencyHistogram } from '../core/latency-histogram.ts'
import { type ActorClock, Agenda } from '../sim/agenda.ts'
import type { CoreSpeeds } from '../sim/core-speeds.ts'
import type { CachedFile, PageCache } from '../sim/page-cache.ts'
import { Simulation, type SimulationInput } from '../sim/simulate.ts'
import type { HostStorage } from '../storage/shared-storage.ts'

/** One restore of the burst, before it begins. */
export interface Arrival {
  /** Its number over all hosts. */
  readonly index: number
  readonly atNs: number
  /** What it restores, made when it begins: a policy has state. */
  input(): SimulationInput
  /** The page cache over its snapshot on this host. */
  readonly file: CachedFile
  /** Where its snapshot lies on the storage. */
  readonly offset: number
}

export interface HostOptions {
  readonly speeds: CoreSpeeds
  readonly storage: HostStorage
  /** Actors of each restore. */
  readonly actors: number
  /** In the order in which they are asked for. */
  readonly arrivals: readonly Arrival[]
  readonly latency: LatencyHistogram
  /** Told when nothing of a restore is pending any more. */
  readonly onDone: (arrival: Arrival, simulation: Simulation) => void
  /** Told when something becomes due earlier than was known. */
  readonly onEarlier: () => void
}

export class Host {
  readonly #agenda: Agenda
  readonly #options: HostOptions
  /** By the order of their arrival; null: it has not begun, or is over. */
  readonly #running: (Running | null)[]
  #arrived = 0

  constructor(options: HostOptions) {
    const { speeds, actors, arrivals } = options
    this.#options = options
    // The last actor is who asks for restores.
    this.#agenda = new Agenda(speeds, actors * arrivals.length + 1)
    this.#running = arrivals.map(() => null)
    if (arrivals.length > 0) this.#agenda.startTimer(actors * arrivals.length, arrivals[0].atNs)
  }

  /** When the next event is; Infinity: nothing is pending but reads that others keep waiting. */
  nextNs(): number {
    return this.#agenda.nextNs()
  }

  /** Takes the next event. */
  step(): void {
    const { actors, arrivals } = this.#options
    const actor = this.#agenda.next()
    const place = Math.floor(actor / actors)
    if (place === arrivals.length) return this.#arrive()
    const running = this.#running[place]!
    running.clock.ended(actor - place * actors)
    running.simulation.step(actor - place * actors)
    this.#release(place, running)
  }

  #arrive(): void {
    const { actors, arrivals, storage, latency, onEarlier } = this.#options
    const place = this.#arrived++
    const arrival = arrivals[place]
    const device = storage.restore(arrival.index, arrival.offset)
    const input = arrival.input()
    const clock = new RestoreClock(this.#agenda, place * actors, input.workload.vcpus, actors, onEarlier)
    const shared = { clock, device, file: arrival.file, latency, startNs: arrival.atNs }
    const simulation = new Simulation(input, shared)
    clock.waitsFor = simulation.cache
    clock.device = device
    this.#running[place] = { clock, simulation }
    if (this.#arrived < arrivals.length) {
      this.#agenda.startTimer(actors * arrivals.length, arrivals[this.#arrived].atNs)
    }
    this.#release(place, this.#running[place])
  }

  /** Lets go of a restore of which nothing is pending any more. */
  #release(place: number, { clock, simulation }: Running): void {
    if (clock.due > 0) return
    simulation.checkDone()
    this.#running[place] = null
    this.#options.onDone(this.#options.arrivals[place], simulation)
  }
}

interface Running {
  readonly clock: RestoreClock
  readonly simulation: Simulation
}

/** The part of a host's agenda that one restore's actors have. */
class RestoreClock implements ActorClock {
  /** Bursts and timers that have begun and not ended. */
  due = 0
  waitsFor: Pick<PageCache, 'awaited'> | null = null
  device: Pick<ReturnType<HostStorage['restore']>, 'pending'> | null = null
  readonly #agenda: Agenda
  readonly #firstActor: number
  readonly #inBurst: Uint8Array
  /** Bursts in progress. */
  #bursts = 0
  #actors: number
  readonly #onEarlier: () => void

  /** @param actors that it has before any are added; @param most with those */
  constructor(agenda: Agenda, firstActor: number, actors: number, most: number, onEarlier: () => void) {
    this.#agenda = agenda
    this.#firstActor = firstActor
    this.#actors = actors
    this.#inBurst = new Uint8Array(most)
    this.#onEarlier = onEarlier
  }

  get now(): number {
    return this.#agenda.now
  }

  wakesRemotely(actor: number): boolean {
    return this.#agenda.wakesRemotely(actor)
  }

  wake(actor: number, interruptNs: number): boolean {
    return this.#agenda.wake(actor, interruptNs)
  }

  interrupts(actor: number): boolean {
    return this.#agenda.interrupts(actor)
  }

  /** Threads of other restores have other memory. */
  interruptOthers(workNs: number): boolean {
    return this.#agenda.interrupt(this.#bursts, workNs)
  }

  /** The actor's burst or timer has ended. */
  ended(actor: number): void {
    this.due--
    if (this.#inBurst[actor] === 0) return
    this.#inBurst[actor] = 0
    this.#bursts--
  }

  /** The agenda has room for all that the policy works with. */
  addActors(count: number): number {
    const first = this.#actors
    this.#actors += count
    return first
  }

  startBurst(actor: number, workNs: number): void {
    this.due++
    this.#bursts++
    this.#inBurst[actor] = 1
    this.#agenda.startBurst(this.#firstActor + actor, workNs)
  }

  startKernelBurst(actor: number, workNs: number): void {
    this.startBurst(actor, workNs)
  }

  startTimer(actor: number, atNs: number): void {
    this.due++
    if (atNs < Number.POSITIVE_INFINITY) return this.#agenda.startTimer(this.#firstActor + actor, atNs)
    const pending = this.waitsFor!.awaited ?? this.device!.pending!
    this.waitsFor!.awaited = null
    pending.whenKnown(readyNs => {
      this.#agenda.startTimer(this.#firstActor + actor, readyNs)
      this.#onEarlier()
    })
  }
}
