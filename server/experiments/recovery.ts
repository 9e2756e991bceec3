/** What a server does first: marks experiments that the last one left in the middle, and ends removals that it began. */
import type { Store } from '../store/store.ts'
import {
  type Counts,
  type EndedCell,
  endedPrefix,
  experimentKey,
  LIVE,
  liveKey,
  REMOVING,
  removingKey,
  resultPrefix,
  type StoredExperiment,
} from './records.ts'

const KEYS_A_CHANGE = 1000

export async function recoverExperiments(store: Store): Promise<void> {
  for (const [[, id]] of [...store.list([LIVE])]) await settle(store, String(id))
  for (const [[, id]] of [...store.list([REMOVING])]) await removeCells(store, String(id))
}

/** All its cells may have ended, only that was not written any more. */
async function settle(store: Store, id: string): Promise<void> {
  const experiment = store.get<StoredExperiment>(experimentKey(id))
  if (experiment === null) return store.commit({ remove: [liveKey(id)] })
  const counts = countEnded(store, id)
  const state = counts.done + counts.failed === experiment.cells ? 'done' : 'interrupted'
  const settled = { ...experiment, state, counts, endedAt: new Date().toISOString() }
  await store.commit({ put: [[experimentKey(id), settled]], remove: [liveKey(id)] })
}

/** How many cells of an experiment have ended, and how. */
export function countEnded(store: Store, id: string): Counts {
  const counts = { done: 0, failed: 0 }
  for (const [, { state }] of store.list<EndedCell>(endedPrefix(id))) counts[state]++
  return counts
}

/** Removes the cells of an experiment whose record is gone, and last the note that they have to be. */
export async function removeCells(store: Store, id: string): Promise<void> {
  for (const prefix of [endedPrefix(id), resultPrefix(id)]) {
    for (;;) {
      const keys = [...store.keys(prefix, KEYS_A_CHANGE)]
      if (keys.length === 0) break
      await store.commit({ remove: keys })
    }
  }
  await store.commit({ remove: [removingKey(id)] })
}
