/** One line of progress on stderr for work that takes over a second; silent when stderr is no terminal, unless told otherwise. */

const PATIENCE_MS = 1000
const REPEAT_MS = 100
const ERASE_LINE = '\r\x1b[K'

export class Progress {
  readonly #startMs = Date.now()
  readonly #plainMs: number | null
  #shownMs = 0
  #plainShownMs = Date.now()

  /** @param plainMs where stderr is no terminal, as for work of hours with a log, a line of its own so often; null: none */
  constructor(plainMs: number | null = null) {
    this.#plainMs = plainMs
  }

  /** Says what is being done now. */
  update(text: string): void {
    const nowMs = Date.now()
    if (!process.stderr.isTTY && this.#plainMs !== null && nowMs - this.#plainShownMs >= this.#plainMs) {
      process.stderr.write(`${text}\n`)
      this.#plainShownMs = nowMs
    }
    if (!process.stderr.isTTY || nowMs - this.#startMs < PATIENCE_MS || nowMs - this.#shownMs < REPEAT_MS) return
    process.stderr.write(`${ERASE_LINE}${text}`)
    this.#shownMs = nowMs
  }

  done(): void {
    if (this.#shownMs > 0) process.stderr.write(ERASE_LINE)
  }
}
