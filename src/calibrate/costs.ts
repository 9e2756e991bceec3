/** What the formulas of host-parameters.ts are made of: averages of measures, lines through them, and what follows from these. */
import { mean } from 'simple-statistics'
import { DEFAULT_HOST_PROFILE } from '../sim/host-profile.ts'
import { AHEAD_PAGES, ALONE_PAGES, DIRECT_PAGES, LARGE, SMALL } from './device/device-phases.ts'
import type { Average } from './estimate.ts'
import { fitLine, fitSlope, type Line, type Point } from './line.ts'
import { NEIGHBOUR_PAGES } from './probes/guest-probe.ts'
import { INSTALL_PAGES } from './probes/install-probes.ts'
import { READ_PAGES } from './probes/read-probes.ts'
import { HOT_THINK_NS, THINK_NS } from './round-trip/schedule.ts'

/** What formulas are made of. */
export class Costs {
  readonly #average: Average

  constructor(average: Average) {
    this.#average = average
  }

  /** A measure without the clock's own time. */
  of(measure: string): number {
    return Math.max(0, this.#average(measure) - this.#average('clock'))
  }

  /** A measure that is no time. */
  count(measure: string): number {
    return this.#average(measure)
  }

  points(prefix: string, counts: readonly number[]): Point[] {
    return counts.map(count => [count, Math.max(1, this.of(`${prefix} ${count}`))])
  }

  line(prefix: string, counts: readonly number[]): Line {
    return fitLine(this.points(prefix, counts))
  }

  get copy(): Line {
    return this.line('copy anon', INSTALL_PAGES)
  }

  get zeropage(): Line {
    return this.line('zeropage anon', INSTALL_PAGES)
  }

  get trap(): number {
    return this.of('trap')
  }

  get read(): Line {
    return this.line('read', READ_PAGES)
  }

  /** The handler's work on a message but for the read and the install, what is left to do after those included. */
  get messageRead(): number {
    const { intercept, slope } = this.read
    const cold = this.coldFault * mean(THINK_NS.map(cooled))
    return this.of('message') + this.of('rest') - intercept - slope - cold - this.chainGain
  }

  /** What it takes less when it asks by a chain of calls. */
  get chainGain(): number {
    return Math.max(0, this.of('local latency') - this.of('chained latency'))
  }

  /** What a fault on one CPU takes more when it comes long after the one before; half of it after coolingNs. */
  get coldFault(): number {
    const points = [HOT_THINK_NS, ...THINK_NS].map(
      (ns): Point => [cooled(ns), Math.max(1, this.of(`local after ${ns}`))],
    )
    return fitLine(points).slope
  }

  /**
   * From the message in the queue to the handler running. What it does after an install is part of `messageRead`, and counts for a
   * message that has to wait for it; one that comes to a sleeping handler does not, so it is taken off here.
   */
  handlerWake(kind: 'local' | 'remote'): number {
    return this.of(`${kind} message`) - this.trap - this.of('message') - this.of('rest')
  }

  /** What the handler's wake-up takes more when its CPU is busy with another thread, and has to be interrupted. */
  get busyWake(): number {
    return this.of('busy message') - this.of('local message')
  }

  /** What a worker spends on a run of one page beside its read and its install. */
  get run(): number {
    const { read, copy } = this
    return this.of('carried') - read.intercept - read.slope - copy.intercept - copy.slope
  }

  /** What a waiter adds to the call that installs its page. */
  wakeCall(kind: 'local' | 'remote'): number {
    const { intercept, slope } = this.copy
    return this.of(`${kind} install`) - intercept - slope
  }

  /** What 4 KiB more add to a read that misses the page cache, and not to one that hits. */
  get cacheFill(): number {
    const { intercept, slope } = this.line('read', READ_PAGES)
    const request = this.line('direct read', DIRECT_PAGES).intercept
    return fitSlope(this.points('alone read', ALONE_PAGES), request + intercept) - slope
  }

  /**
   * The same of reads in order, whose requests are so large that what one costs beyond its pages does not count. Little beside
   * the read itself: the hit that is taken off was timed right after.
   */
  get readaheadFill(): number {
    return (this.of(`ahead read ${AHEAD_PAGES}`) - this.of(`again read ${AHEAD_PAGES}`)) / AHEAD_PAGES
  }

  /** What a direct read takes more for each page that the memory does not have yet: the kernel gets them all at once, to pin them. */
  get pinFault(): number {
    const pages = LARGE / SMALL
    return (this.of(`fresh read ${pages}`) - this.of(`direct read ${pages}`)) / pages
  }

  /** Timed by the guest, whose readings of its clock are in both measures. */
  get guestFault(): number {
    return this.#average('guest fault') - this.#average('guest mapped')
  }

  /** What a guest's fault has beyond that of a thread, and beyond the mapping of its page for the guest. */
  guestExtra(kind: 'local' | 'remote'): number {
    return this.#average(`guest ${kind} latency`) - this.of(`${kind} latency`) - this.guestFault
  }

  /** Mostly on two CPUs, where the vCPU goes to sleep while the handler works. */
  get guestWake(): number {
    return Math.max(0, this.guestExtra('remote'))
  }

  /** On one CPU the handler's work has to wait for that. In the model its wake-up, which is no work, does not. */
  get guestSleep(): number {
    return this.guestExtra('local') - this.guestWake + Math.max(0, this.handlerWake('local'))
  }

  /** The smallest aligned window beyond which a neighbour is a fault of its own. */
  get guestWindow(): number {
    const isMapped = (distance: number) =>
      this.#average(`guest neighbour ${distance}`) - this.#average('guest mapped') < this.guestFault / 2
    return NEIGHBOUR_PAGES.find(distance => !isMapped(distance)) ?? 2 * NEIGHBOUR_PAGES[NEIGHBOUR_PAGES.length - 1]
  }
}

/** How far caches have cooled after so long. */
function cooled(ns: number): number {
  return ns / (ns + DEFAULT_HOST_PROFILE.parameters.coolingNs.value)
}
