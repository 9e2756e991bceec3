/**
 * Tests that need something of the host. Where it is missing they are skipped, visibly and with the reason; with
 * LAZYRESTORE_REQUIRE_ALL=1, as in CI, they fail instead.
 */
import { beforeEach, type TestContext } from 'vitest'

/** Call first in a test. `reason` is null when the thing is there. */
export function requireOrSkip(context: TestContext, reason: string | null): void {
  if (reason === null) return
  if (process.env.LAZYRESTORE_REQUIRE_ALL === '1') throw new Error(`LAZYRESTORE_REQUIRE_ALL is set: ${reason}`)
  context.skip(reason)
}

/** The same for every test of a file or a `describe`. The reason is asked for when the tests run. */
export function requireForEach(reason: () => string | null): void {
  beforeEach(context => requireOrSkip(context, reason()))
}
