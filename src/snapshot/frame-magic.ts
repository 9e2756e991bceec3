/** The magics of the project's own binary files, apart from how these are read: a file of another kind is called by its name. */

/** The letters in a magic, and what messages call such a file. */
const KINDS = { RT: 'trace', WS: 'working-set file', ZP: 'zero cache' } as const

/** The magic with these two letters in it. */
export function frameMagic(letters: keyof typeof KINDS): Buffer {
  return Buffer.from([0x89, 0x4c, ...Buffer.from(letters, 'latin1'), 0x0d, 0x0a, 0x1a, 0x0a])
}

/** Which of our files begins so; null: none. */
export function ownFileKind(head: Buffer): string | null {
  for (const [letters, what] of Object.entries(KINDS)) {
    const magic = frameMagic(letters as keyof typeof KINDS)
    if (head.subarray(0, magic.length).equals(magic)) return what
  }
  return null
}
