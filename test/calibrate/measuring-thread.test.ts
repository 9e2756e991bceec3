import { expect, it } from 'vitest'
import { MeasuringThread } from '../../src/calibrate/measuring-thread.ts'
import { LazyRestoreError } from '../../src/core/error.ts'
import { nativeReason } from '../../src/uffd/native.ts'
import { requireOrSkip } from '../support/availability.ts'

it('what a thread that measures is refused is told as what it is', async context => {
  requireOrSkip(context, nativeReason())
  const job = { file: -1, fileBytes: 5000, userfaultfd: false, hugePages: false, budgetMs: 100 }
  const thread = new MeasuringThread({ role: 'calls', job })
  const failure = await thread.receive<LazyRestoreError>(10_000).catch(error => error)
  expect(failure).toBeInstanceOf(LazyRestoreError)
  expect([failure.code, failure.message]).toEqual([
    'usage',
    'calibrate: memory region: found a length of 5000 bytes, expected a multiple of its host page size, 4 KiB',
  ])
})
