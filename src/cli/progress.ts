/** One line of progress on stderr for work that takes over a second; silent when stderr is no terminal. */

const PATIENCE_MS = 1000
const REPEAT_MS = 100
const ERASE_LINE = '\r\x1b[K'

export class Progress {
  readonly #startMs = Date.now()
  #shownMs = 0

  /** Says what is being done now. */
  update(text: string): void {
    const nowMs = Date.now()
    if (!process.stderr.isTTY || nowMs - this.#startMs < PATIENCE_MS || nowMs - this.#shownMs < REPEAT_MS) return
    process.stderr.write(`${ERASE_LINE}${text}`)
    this.#shownMs = nowMs
  }

  done(): void {
    if (this.#shownMs > 0) process.stderr.write(ERASE_LINE)
  }
}
