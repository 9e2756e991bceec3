import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import { commandWords } from '../../src/cli/command-words.ts'

describe('a command line in one text', () => {
  it.each([
    ['qemu -m 2048', ['qemu', '-m', '2048']],
    ['  a \t b\n', ['a', 'b']],
    [`a 'b c' "d e"`, ['a', 'b c', 'd e']],
    [`--x='a "b'c "\\"\\n\\\\"`, ['--x=a "bc', '"\\n\\']],
    [`a\\ b '' ""`, ['a b', '', '']],
    [`'a\\'`, ['a\\']],
  ])('%j', (text, words) => {
    expect(commandWords(text, '--qemu')).toEqual(words)
  })

  test.prop([fc.array(fc.string(), { minLength: 1 })])('any words come back as they were quoted', words => {
    const text = words.map(word => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
    expect(commandWords(text, '--qemu')).toEqual(words)
  })

  it.each(['', ' ', `a 'b`, `"`])('%j is refused', text => {
    expect(() => commandWords(text, '--qemu')).toThrow(/^--qemu: found /)
  })
})
