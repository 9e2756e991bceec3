/** Whatever is asked for and whenever reads end: everything is sent, each page once, and nobody waits for good. */
import { setImmediate as turn } from 'node:timers/promises'
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect } from 'vitest'
import { parseSpec } from '../../src/core/spec-string.ts'
import { Claims } from '../../src/destination/claims.ts'
import { parseHostPages } from '../../src/destination/host-pages.ts'
import { createLayout } from '../../src/destination/layout.ts'
import { createPolicy } from '../../src/policy/registry.ts'
import type { Channel } from '../../src/qemu/channel.ts'
import { PageLedger } from '../../src/qemu/page-ledger.ts'
import { PageSender } from '../../src/qemu/page-sender.ts'
import { openSynthetic } from '../../src/snapshot/synthetic.ts'

const HOST_PAGES = 8
/** Turns of the event loop; a run needs some hundred. */
const MOST_TURNS = 20_000
const POLICIES = ['cloud-hypervisor', 'criu', 'qemu-11.2', 'lazy-sweep', 'lazy-sweep:yield=true']

const request = fc.record({ page: fc.nat(HOST_PAGES - 1), turn: fc.nat(60) })

describe('a sender of pages', () => {
  property.prop(
    [fc.constantFrom(...POLICIES), fc.array(request, { maxLength: 12 }), fc.array(fc.nat(9), { minLength: 1 })],
    { numRuns: 60 },
  )('sends each page once, and all of them', async (policyText, requests, readTurns) => {
    const layout = createLayout(openSynthetic(`synthetic:${2 * HOST_PAGES}MiB,zero=0%`), parseHostPages('2M'))
    const ledger = new PageLedger(layout)
    const claims = new Claims(layout.hostPageCount)
    const policy = createPolicy(parseSpec(policyText), { layout, workingSet: null })
    let reads = 0
    const main = {
      isIdle: true,
      write(_piece: Uint8Array, onHandedOver: () => void) {
        this.isIdle = false
        setImmediate(() => {
          this.isIdle = true
          onHandedOver()
        })
      },
    }
    let failure: unknown = null
    let isIdle = false
    const sender = new PageSender({
      layout,
      policy,
      claims,
      ledger,
      ramSectionId: 2,
      main: main as unknown as Channel,
      urgent: null,
      readSnapshot: async () => {
        for (let left = readTurns[reads++ % readTurns.length]; left > 0; left--) await turn()
      },
      parallelReads: () => 2,
      readWorkingSet: null,
      checkSource: () => {},
      onError: error => {
        failure = error
      },
      onWorkingSetError: () => {},
      onIdle: () => {
        isIdle = true
      },
    })
    sender.startBackground(plan => policy.next?.(plan))
    for (let now = 0; now < MOST_TURNS && (!isIdle || claims.claimedCount < HOST_PAGES); now++) {
      for (const { page, turn: at } of requests) {
        if (at !== now) continue
        isIdle = false
        sender.request(page, performance.now() * 1e6)
        sender.pump()
      }
      await turn()
    }
    sender.stop()
    expect(failure).toBeNull()
    expect({ isIdle, claimed: claims.claimedCount, waiting: ledger.waitingCount }).toEqual({
      isIdle: true,
      claimed: HOST_PAGES,
      waiting: 0,
    })
    expect(ledger.dataPages + ledger.zeroPages).toBe(layout.targetPageCount)
  })
})
