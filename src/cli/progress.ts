/** One line of progress on stderr for work that takes over a second; silent when stderr is no terminal. */

const PATIENCE_MS = 1000
const ERASE_LINE = '\r\x1b[K'

export class Progress {
  readonly #startMs = Date.now()
  #shown = false

  /** Says what is being done now. */
  update(text: string): void {
    if (!process.stderr.isTTY || Date.now() - this.#startMs < PATIENCE_MS) return
    process.stderr.write(`${ERASE_LINE}${text}`)
    this.#shown = true
  }

  done(): void {
    if (this.#shown) process.stderr.write(ERASE_LINE)
  }
}
