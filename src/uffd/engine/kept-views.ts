/**
 * Views of the destination's memory, kept by a thread from one restore to the next for as long as that memory lies where it did.
 * V8 counts a view as memory of the thread's own, and collects garbage when there is much of it that is new: in the midst of
 * the restore, 5 to 15 ms in each vCPU's thread for 500 MiB.
 *
 * What a kept view shows may be gone. It is only used again for a job that says that memory lies there.
 */
import { viewMemory } from '../native.ts'

export interface MemoryRange {
  readonly address: number
  readonly byteLength: number
}

let kept: readonly { readonly range: MemoryRange; readonly view: Uint8Array }[] = []

/** A view of each range; of those that were there last time the same. */
export function keepViews(ranges: readonly MemoryRange[]): Uint8Array[] {
  kept = ranges.map(range => ({
    range,
    view: keptView(range) ?? new Uint8Array(viewMemory(range.address, range.byteLength)),
  }))
  return kept.map(({ view }) => view)
}

function keptView({ address, byteLength }: MemoryRange): Uint8Array | undefined {
  return kept.find(({ range }) => range.address === address && range.byteLength === byteLength)?.view
}
