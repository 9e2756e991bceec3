/** The queue of unread messages against a list. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect } from 'vitest'
import { MessageQueue } from '../../src/sim/message-queue.ts'

describe('unread messages', () => {
  property.prop([fc.array(fc.tuple(fc.constantFrom('push', 'shift', 'remove'), fc.nat(5)), { maxLength: 60 })], {
    numRuns: 500,
  })('are taken in order of arrival, those that are still there', actions => {
    const queue = new MessageQueue(6)
    const list: number[] = []
    for (const [action, vcpu] of actions) {
      if (action === 'shift') expect(queue.shift()).toBe(list.shift() ?? -1)
      else if (action === 'push' && !list.includes(vcpu)) {
        queue.push(vcpu)
        list.push(vcpu)
      } else if (action === 'remove') {
        queue.remove(vcpu)
        if (list.includes(vcpu)) list.splice(list.indexOf(vcpu), 1)
      }
    }
    while (list.length > 0) expect(queue.shift()).toBe(list.shift())
    expect(queue.shift()).toBe(-1)
  })
})
