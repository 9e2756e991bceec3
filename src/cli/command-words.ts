/** A command line in one text, as a shell would take it apart: words, quotes and backslashes; nothing is expanded. */
import { LazyRestoreError } from '../core/error.ts'

/** @throws LazyRestoreError `usage` for a quote without an end, or no word at all */
export function commandWords(text: string, option: string): string[] {
  const words: string[] = []
  let word: string | null = null
  let quote: string | null = null
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '\\' && quote !== "'" && at + 1 < text.length) {
      at++
      // Inside double quotes a backslash is itself, but before what would end or escape something.
      const isKept = quote === '"' && !'"\\$`'.includes(text[at])
      word = (word ?? '') + (isKept ? character : '') + text[at]
    } else if (quote !== null) {
      if (character === quote) quote = null
      else word += character
    } else if (character === "'" || character === '"') {
      quote = character
      word ??= ''
    } else if (/\s/.test(character)) {
      if (word !== null) words.push(word)
      word = null
    } else word = (word ?? '') + character
  }
  if (quote !== null)
    throw new LazyRestoreError('usage', `${option}: found a ${quote} without an end, expected a second one`)
  if (word !== null) words.push(word)
  if (words.length === 0) throw new LazyRestoreError('usage', `${option}: found no word, expected a command line`)
  return words
}
