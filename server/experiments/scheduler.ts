/**
 * Who restores next. Experiments take turns, a cell each, so that a small one does not wait for a large one. A lane that
 * measures runs alone: it starts when nothing else runs, and nothing else starts meanwhile.
 */

export interface Lane {
  readonly id: string
  readonly runsAlone: boolean
  /** Starts the next task and returns its end; null: there is none left to start. The task must not reject. */
  next(): Promise<void> | null
}

export class Scheduler {
  readonly #slots: number
  readonly #lanes: Lane[] = []
  #running = 0
  #runsAlone = false
  #turn = 0

  constructor(slots: number) {
    this.#slots = slots
  }

  get running(): number {
    return this.#running
  }

  add(lane: Lane): void {
    this.#lanes.push(lane)
    this.#fill()
  }

  /** Nothing more of it is started. */
  remove(id: string): void {
    const index = this.#lanes.findIndex(lane => lane.id === id)
    if (index < 0) return
    this.#lanes.splice(index, 1)
    if (index < this.#turn) this.#turn--
  }

  #fill(): void {
    while (this.#lanes.length > 0 && this.#running < this.#slots && !this.#runsAlone) {
      this.#turn %= this.#lanes.length
      const lane = this.#lanes[this.#turn]
      // Its turn has come: the others must let it, or it would wait for ever.
      if (lane.runsAlone && this.#running > 0) return
      const task = lane.next()
      if (task === null) {
        this.#lanes.splice(this.#turn, 1)
        continue
      }
      this.#turn++
      this.#running++
      this.#runsAlone = lane.runsAlone
      task.then(() => {
        this.#running--
        this.#runsAlone = false
        this.#fill()
      })
    }
  }
}
