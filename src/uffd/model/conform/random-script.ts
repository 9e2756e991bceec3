/**
 * Random scripts for the differential test: two userfaultfds, three areas of random kinds (the third maps the first one's
 * file again), and operations on them. Every operation is followed by a look at all that can be seen from outside.
 *
 * Each operation is drawn from a seed of its own, so that a script from which one is left out is otherwise the same: that is
 * how a failing one is made short. What may come out either way is left out: two threads that write the same byte, FIFO order
 * after several threads woke at once (reads are sorted), transparent huge pages, wide accesses.
 */
import { createRandom, nextFloat, nextUint32, type RandomState } from '../../../core/random.ts'

const SMALL_KINDS = ['anon', 'anon', 'shmem', 'shmem', 'shmem-private', 'shmem-anon'] as const
const HUGE_KINDS = ['hugetlb', 'hugetlb-private', 'hugetlb-anon'] as const
const FEATURES = [
  'none',
  'none',
  'none',
  'exact',
  'wp-unpopulated',
  'wp-async',
  'event-remove',
  'event-unmap',
  'event-remap',
  'event-fork',
  'event-remove|event-unmap|event-remap',
  'event-remove|wp-unpopulated|exact',
  'sigbus',
] as const
const MODES = [
  'missing',
  'missing',
  'wp',
  'missing|wp',
  'missing|wp',
  'minor',
  'missing|minor',
  'missing|wp|minor',
] as const
const PROTECTIONS = ['rw', 'rw', 'r', 'none'] as const
const THREADS = ['t1', 't2', 't3', 't4'] as const
const CHANNELS = ['u', 'u', 'u', 'v'] as const
const PAGES = 4
const HUGE_PAGES = 2

/** The areas of a script, and the operations that prepare them. */
export interface ScriptSetup {
  readonly lines: readonly string[]
  readonly areas: readonly AreaShape[]
}

interface AreaShape {
  readonly name: string
  readonly pages: number
  readonly hasFile: boolean
  readonly small: boolean
}

/** @param seeds the first is the setup's, then one for each operation. @param huge with 2 MiB pages: see HUGE_PAGES_NEEDED */
export function randomScript(seeds: readonly number[], huge: boolean): string[] {
  const { lines, areas } = randomSetup(new Dice(seeds[0]), huge)
  return [...lines, ...seeds.slice(1).flatMap(seed => [randomOperation(new Dice(seed), areas), 'look'])]
}

/** Seeds for a script of `count` operations. */
export function scriptSeeds(random: RandomState, count: number): number[] {
  return Array.from({ length: count + 1 }, () => nextUint32(random))
}

class Dice {
  readonly #random: RandomState

  constructor(seed: number) {
    this.#random = createRandom(seed)
  }

  /** A whole number below `end`. */
  below(end: number): number {
    return Math.floor(nextFloat(this.#random) * end)
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]
  }

  /** The word, one time in `times`; nothing else. */
  sometimes(times: number, word: string): string {
    return this.below(times) === 0 ? ` ${word}` : ''
  }
}

function shapeOf(name: string, kind: string): AreaShape {
  const small = !kind.startsWith('hugetlb')
  return { name, pages: small ? PAGES : HUGE_PAGES, hasFile: kind !== 'anon' && !kind.endsWith('-anon'), small }
}

function randomSetup(dice: Dice, huge: boolean): ScriptSetup {
  const kinds = huge ? [...SMALL_KINDS, ...HUGE_KINDS] : SMALL_KINDS
  const [first, second] = [dice.pick(kinds), dice.pick(kinds)]
  const a = shapeOf('a', first)
  const b = shapeOf('b', second)
  const base = first.startsWith('hugetlb') ? 'hugetlb' : 'shmem'
  const third = a.hasFile ? `${base}${dice.pick(['', '-private'])}` : 'anon'
  const c = shapeOf('c', third)
  const lines = [
    `map a ${first} ${a.pages}${a.hasFile ? dice.sometimes(2, 'file=3') : ''}`,
    `map b ${second} ${b.pages}`,
    `map c ${third} ${c.pages}${a.hasFile ? ' of=a' : ''}`,
    `open u ${dice.pick(FEATURES)}`,
    `open v ${dice.pick(FEATURES)}`,
    `register u a.0 ${a.pages} ${dice.pick(MODES)}`,
    `register u b.0 ${b.pages} ${dice.pick(MODES)}`,
  ]
  return { lines, areas: [a, b, c] }
}

function pageIn(dice: Dice, { name, pages }: AreaShape): string {
  return `${name}.${dice.below(pages)}`
}

/** Now and then it runs over the area's end. */
function rangeIn(dice: Dice, { name, pages }: AreaShape): string {
  const page = dice.below(pages)
  const length = 1 + dice.below(pages)
  return `${name}.${page} ${Math.max(1, Math.min(length, pages - page + (length === pages ? 1 : 0)))}`
}

/** Each thread writes a byte of its own; reads are of the first byte, which COPY and `fill` set. */
function touch(dice: Dice, area: AreaShape): string {
  const index = dice.below(THREADS.length)
  const page = pageIn(dice, area)
  const access = dice.below(2) === 0 ? `${page}+${0x100 + 8 * index} write` : `${page} read`
  return `touch ${THREADS[index]} ${access}${dice.sometimes(6, 'kernel')}`
}

type Draw = (dice: Dice, area: AreaShape, other: AreaShape) => string

interface Choice {
  readonly weight: number
  /** Areas that it does not make sense on have another drawn. */
  readonly fits?: (area: AreaShape, other: AreaShape) => boolean
  readonly draw: Draw
}

const hasFile = ({ hasFile }: AreaShape) => hasFile
const isSmall = ({ small }: AreaShape) => small
const areSmall = (area: AreaShape, other: AreaShape) => area.small && other.small

/** `VERB CHANNEL RANGE`. */
const onRange =
  (verb: string, rest: (dice: Dice) => string = () => ''): Draw =>
  (dice, area) =>
    `${verb} ${dice.pick(CHANNELS)} ${rangeIn(dice, area)}${rest(dice)}`
/** `VERB THREAD RANGE`. */
const byThread =
  (verb: string): Draw =>
  (dice, area) =>
    `${verb} ${dice.pick(THREADS)} ${rangeIn(dice, area)}`
const onlyDontwake = (dice: Dice) => dice.sometimes(6, 'dontwake')
const wpAndDontwake = (dice: Dice) => `${dice.sometimes(5, 'wp')}${onlyDontwake(dice)}`

const CHOICES: readonly Choice[] = [
  { weight: 14, draw: touch },
  { weight: 10, draw: onRange('copy', wpAndDontwake) },
  { weight: 4, draw: onRange('zeropage', onlyDontwake) },
  { weight: 4, draw: onRange('continue', wpAndDontwake) },
  { weight: 2, draw: onRange('poison', onlyDontwake) },
  { weight: 5, draw: onRange('writeprotect', dice => dice.sometimes(2, 'wp')) },
  {
    weight: 4,
    fits: areSmall,
    draw: (dice, area, other) =>
      `move ${dice.pick(CHANNELS)} ${rangeIn(dice, area)} from=${pageIn(dice, other)}${dice.sometimes(4, 'holes')}`,
  },
  { weight: 3, draw: onRange('wake') },
  { weight: 8, draw: dice => `read ${dice.pick(CHANNELS)} sorted` },
  { weight: 2, draw: dice => `poll ${dice.pick(CHANNELS)}` },
  { weight: 4, draw: onRange('register', dice => ` ${dice.pick(MODES)}`) },
  { weight: 2, draw: onRange('unregister') },
  { weight: 1, draw: dice => `reopen ${dice.pick(CHANNELS)} ${dice.pick(FEATURES)}` },
  { weight: 3, draw: byThread('dontneed') },
  { weight: 1, draw: byThread('remove') },
  { weight: 1, draw: byThread('free') },
  { weight: 1, draw: byThread('munmap') },
  { weight: 1, fits: isSmall, draw: byThread('mapover') },
  { weight: 1, draw: (dice, area) => `protect ${rangeIn(dice, area)} ${dice.pick(PROTECTIONS)}` },
  { weight: 1, fits: isSmall, draw: (dice, area) => `lock ${rangeIn(dice, area)}` },
  {
    weight: 2,
    fits: isSmall,
    draw: (dice, { name }) => {
      const change = dice.pick(['0 4 2', '0 4 6', `0 4 4 to=${name}.16`, `16 4 4 to=${name}.0`])
      return `mremap ${dice.pick(THREADS)} ${name}.${change}`
    },
  },
  { weight: 1, draw: dice => `fork ${dice.pick(THREADS)} child` },
  { weight: 1, draw: () => 'exit child' },
  { weight: 1, draw: dice => `signal ${dice.pick(THREADS)}` },
  { weight: 4, fits: hasFile, draw: (dice, area) => `fill ${pageIn(dice, area)} 0x33` },
  { weight: 1, fits: hasFile, draw: (dice, area) => `punch ${rangeIn(dice, area)}` },
  { weight: 1, fits: hasFile, draw: (dice, { name, pages }) => `truncate ${name} ${1 + dice.below(pages)}` },
]

function randomOperation(dice: Dice, [a, b, c]: readonly AreaShape[]): string {
  const [area, other] = dice.pick([
    [a, c],
    [b, a],
    [c, b],
  ])
  const fitting = CHOICES.filter(({ fits }) => fits?.(area, other) ?? true)
  let left = dice.below(fitting.reduce((sum, { weight }) => sum + weight, 0))
  for (const { weight, draw } of fitting) {
    left -= weight
    if (left < 0) return draw(dice, area, other)
  }
  throw new Error('found weights that do not add up')
}
