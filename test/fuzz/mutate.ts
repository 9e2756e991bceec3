/** Changes to a file's bytes: what a fuzzer does to a good one. Plain data, so that fast-check can shrink them. */
import fc from 'fast-check'

export interface Mutation {
  /** Which of the files; taken modulo their number. */
  readonly file: number
  readonly kind: 'set' | 'flip' | 'truncate' | 'extend' | 'remove' | 'repeat' | 'text'
  /** Taken modulo the length of the part that is worth changing. */
  readonly at: number
  readonly width: 1 | 2 | 4 | 8
  readonly isBigEndian: boolean
  readonly value: bigint
}

const INTERESTING = [0n, 1n, 2n, 3n, 4n, 7n, 8n, 0x7fn, 0x80n, 0xffn, 0x100n, 0x1000n, 0xfffn, 0x7fffn, 0xffffn]
const LARGE = [31n, 32n, 40n, 44n, 52n, 53n, 63n, 64n].flatMap(bits => [
  2n ** bits - 1n,
  2n ** bits,
  2n ** bits - 4096n,
])
const value = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...INTERESTING, ...LARGE) },
  { weight: 2, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 64n }).map(n => n * 4096n) },
)

export const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.record({
    file: fc.nat(64),
    kind: fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom('set' as const, 'flip' as const) },
      { weight: 2, arbitrary: fc.constantFrom('remove' as const, 'repeat' as const, 'text' as const) },
      { weight: 1, arbitrary: fc.constantFrom('truncate' as const, 'extend' as const) },
    ),
    at: fc.nat(2 ** 30),
    width: fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const),
    isBigEndian: fc.boolean(),
    value,
  }),
  { minLength: 1, maxLength: 4 },
)

/** Longest stretch that is taken out or put in twice. */
const CHUNK = 64n
/** Pieces of text that mean something in the formats that are text. */
const WORDS = [
  '"',
  '{',
  '[',
  ']',
  '}',
  ',',
  ':',
  '-1',
  '1e300',
  '0',
  'null',
  '\n',
  '/',
  '..',
  '\\',
  '\0',
  '9'.repeat(40),
]

/** A file whose first bytes were changed. */
export interface Mutated {
  readonly bytes: Buffer
  /** The rest, as it was. */
  readonly tail: Buffer
}

/** @param hot bytes from the start on that are worth changing; what follows is page contents, and only cut now and then */
export function mutate(bytes: Buffer, hot: number, changes: readonly Mutation[]): Mutated {
  let head: Buffer = Buffer.from(bytes.subarray(0, hot))
  let tail = bytes.subarray(head.length)
  for (const change of changes) {
    if (change.kind === 'truncate' && change.isBigEndian && tail.length > 0)
      tail = tail.subarray(0, change.at % tail.length)
    else {
      if (change.kind === 'truncate') tail = tail.subarray(0, 0)
      head = mutateHead(head, change)
    }
  }
  return { bytes: head, tail }
}

function mutateHead(bytes: Buffer, { kind, at: place, width, isBigEndian, value: given }: Mutation): Buffer {
  const at = place % Math.max(1, bytes.length)
  const chunkEnd = at + 1 + Number(given % CHUNK)
  switch (kind) {
    case 'truncate':
      return bytes.subarray(0, at)
    case 'extend':
      return Buffer.concat([bytes, Buffer.alloc(Number(given % 8192n))])
    case 'remove':
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(chunkEnd)])
    case 'repeat':
      return Buffer.concat([bytes.subarray(0, chunkEnd), bytes.subarray(at)])
    case 'text': {
      const word = Buffer.from(WORDS[Number(given % BigInt(WORDS.length))])
      return Buffer.concat([bytes.subarray(0, at), word, bytes.subarray(at)])
    }
    case 'flip':
      if (at < bytes.length) bytes[at] ^= 1 << Number(given % 8n)
      return bytes
    case 'set':
      for (let i = 0; i < width && at + i < bytes.length; i++) {
        bytes[at + i] = Number((given >> BigInt(8 * (isBigEndian ? width - 1 - i : i))) & 0xffn)
      }
      return bytes
  }
}
