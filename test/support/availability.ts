/**
 * Tests that need something of the host. Where it is missing they are skipped, visibly and with the reason; with
 * LAZYRESTORE_REQUIRE_ALL=1, as in CI, they fail instead, unless it is something that the processor does not offer: no
 * installation brings that.
 */
import { readFileSync } from 'node:fs'
import { beforeEach, type TestContext } from 'vitest'

/** Reasons that are the processor's, where it has none of these flags in /proc/cpuinfo. */
const PROCESSOR_FLAGS: readonly (readonly [reason: RegExp, flags: readonly string[]])[] = [
  [/^kvm: no \/dev\/kvm/, ['vmx', 'svm']],
  [/1 GiB pages/, ['pdpe1gb']],
]

/** Call first in a test. `reason` is null when the thing is there. */
export function requireOrSkip(context: TestContext, reason: string | null): void {
  if (reason === null) return
  if (process.env.LAZYRESTORE_REQUIRE_ALL === '1' && !isOfProcessor(reason)) {
    throw new Error(`LAZYRESTORE_REQUIRE_ALL is set: ${reason}`)
  }
  context.skip(reason)
}

/** The same for every test of a file or a `describe`. The reason is asked for when the tests run. */
export function requireForEach(reason: () => string | null): void {
  beforeEach(context => requireOrSkip(context, reason()))
}

function isOfProcessor(reason: string): boolean {
  const flags = processorFlags()
  return PROCESSOR_FLAGS.some(([pattern, needed]) => pattern.test(reason) && !needed.some(flag => flags.has(flag)))
}

function processorFlags(): Set<string> {
  const [, flags = ''] = readFileSync('/proc/cpuinfo', 'latin1').match(/^flags\s*:(.*)$/m) ?? []
  return new Set(flags.trim().split(' '))
}
