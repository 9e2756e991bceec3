/** Tells those who watch an experiment what happens to it. A watcher that does not keep up loses the stream, not the server its memory. */
import type { ExperimentEvent } from '../schemas/events.ts'

type Listener = (event: ExperimentEvent) => void

export class Feed {
  readonly #listeners = new Map<string, Set<Listener>>()

  /** Returns what ends it. */
  watch(id: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(id) ?? new Set()
    this.#listeners.set(id, listeners)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) this.#listeners.delete(id)
    }
  }

  publish(id: string, event: ExperimentEvent): void {
    for (const listener of this.#listeners.get(id) ?? []) listener(event)
  }
}
