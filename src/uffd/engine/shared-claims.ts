/** Claims that threads compete for: of any number of handlers and workers, exactly one gets each host page. */
import type { Bitmap } from '../../core/bitmap.ts'
import { claimSharedBits } from '../../core/shared-bitmap.ts'
import { Claims } from '../../destination/claims.ts'
import type { Mechanism } from '../../policy/policy.ts'
import { isAlone } from './restore-state.ts'

/** The claims of one of the mechanism's carriers. */
export function claimsFor(mechanism: Mechanism, pageCount: number, bitmap: Bitmap): Claims {
  return isAlone(mechanism) ? new Claims(pageCount, bitmap) : new SharedClaims(pageCount, bitmap)
}

export class SharedClaims extends Claims {
  /** @param bitmap shared by all threads of the restore; `claimedCount` counts this thread's claims */
  constructor(pageCount: number, bitmap: Bitmap) {
    super(pageCount, bitmap)
  }

  /** As `Claims.claim`; less than `count` when another thread came first. */
  override claim(first: number, count: number): number {
    const claimed = claimSharedBits(this.bitmap, first, count)
    this.claimedCount += claimed
    return claimed
  }
}
