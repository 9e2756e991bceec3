/**
 * Which host pages have been sent, which were asked for, and what still waits. A page is marked as sent when its first record
 * is put into a piece, and from then on nobody sends it again: claims (src/destination/claims.ts) say who plans to read a page,
 * this says who was first to send it. So a request need not wait for a background read that has the page planned.
 */
import { type Bitmap, createBitmap, setBit, testBit } from '../core/bitmap.ts'
import { BoundedSeries } from '../core/bounded-series.ts'
import type { Layout } from '../destination/layout.ts'
import { RequestLog } from './request-log.ts'

const RESIDENCY_POINTS = 512

export class PageLedger {
  readonly log = new RequestLog()
  /** Bit h: host page h was sent, or is at the destination from before. */
  readonly sent: Bitmap
  /** Bit h: host page h was asked for. */
  readonly asked: Bitmap
  /** Bytes of memory that were handed over, at times in ns of performance.now. */
  readonly residency = new BoundedSeries(RESIDENCY_POINTS)
  /** Requested pages that no piece has whole yet, with their entry in the log. */
  readonly #waiting = new Map<number, number>()
  /** Target pages. */
  dataPages = 0
  zeroPages = 0
  /** That the destination had from before. */
  receivedPages = 0
  /** Host pages that were sent before anybody asked for them. */
  sentUnasked = 0
  /** Of these, those that were asked for all the same: the request crossed them on their way. */
  askedAfterSent = 0

  constructor({ hostPageCount }: Layout) {
    this.sent = createBitmap(hostPageCount)
    this.asked = createBitmap(hostPageCount)
  }

  /** Requests that are not answered. */
  get waitingCount(): number {
    return this.#waiting.size
  }

  /** Since when the oldest of them waits, in ns of performance.now; null when none does. */
  get waitingSinceNs(): number | null {
    for (const entry of this.#waiting.values()) return this.log.askedNs(entry)
    return null
  }

  /** Notes a request. True when the page has to be sent: nobody did, and nobody asked before. */
  ask(hostPage: number, nowNs: number): boolean {
    if (testBit(this.asked, hostPage)) return false
    setBit(this.asked, hostPage)
    const entry = this.log.add(hostPage, nowNs)
    if (testBit(this.sent, hostPage)) {
      this.askedAfterSent++
      return false
    }
    this.#waiting.set(hostPage, entry)
    return true
  }

  isSent(hostPage: number): boolean {
    return testBit(this.sent, hostPage)
  }

  /** The destination has the page, of so many target pages, from before. */
  markReceived(hostPage: number, targetPages: number): void {
    this.receivedPages += targetPages
    setBit(this.sent, hostPage)
  }

  /** The right to send a page; false when it is sent already. */
  take(hostPage: number): boolean {
    if (testBit(this.sent, hostPage)) return false
    setBit(this.sent, hostPage)
    if (!testBit(this.asked, hostPage)) this.sentUnasked++
    return true
  }

  /** The page is whole in a piece: the log's entry of the request for it, or -1 when nobody waits for it. */
  finish(hostPage: number): number {
    if (this.#waiting.size === 0) return -1
    const entry = this.#waiting.get(hostPage)
    if (entry === undefined) return -1
    this.#waiting.delete(hostPage)
    return entry
  }
}
