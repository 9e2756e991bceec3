/** Where the areas of a case lie, and what `a.2+0x10` means: symbolic addresses to numbers and back. */
import { GIGANTIC_PAGE_SIZE, HUGE_PAGE_SIZE, PAGE_SIZE } from '../numbers.ts'
import { AREA_KINDS, type Area, type AreaKind, type Machine } from './machine.ts'
import { hasWord, nameIn, parseCountWord, usageError, type Words } from './words.ts'

/** Areas lie in the order in which they are mapped, with a gap behind each in which nothing is. */
const FIRST_AREA = 2 ** 40
const GAP = 64 * 2 ** 20

/** Sources of COPY: byte 0x40 + i in every byte of small page i of `src`, 0x50 + i in huge page i of `bigsrc`. */
const SOURCES = [
  { name: 'src', pageSize: PAGE_SIZE, pageCount: 16, firstByte: 0x40 },
  { name: 'bigsrc', pageSize: HUGE_PAGE_SIZE, pageCount: 4, firstByte: 0x50 },
] as const

export interface Place {
  readonly address: number
  /** Number of the page in its area; 0 of a bare number. */
  readonly page: number
  readonly pageSize: number
}

export interface Range extends Place {
  readonly length: number
}

export class Layout {
  readonly #areas = new Map<string, Area>()

  constructor(machine: Machine) {
    for (const { name, pageSize, pageCount, firstByte } of SOURCES) {
      const base = this.#nextBase(pageSize)
      machine.mapSource(base, pageSize, pageCount, firstByte)
      const rest = { filePages: pageCount, fileReadOnly: false, read: true, write: false, fileOf: null }
      this.#areas.set(name, { name, kind: 'anon', base, pageSize, pageCount, ...rest })
    }
  }

  #nextBase(pageSize: number): number {
    const ends = [...this.#areas.values()].map(area => area.base + area.pageSize * area.pageCount + GAP)
    const alignment = Math.max(pageSize, HUGE_PAGE_SIZE)
    return Math.ceil(Math.max(FIRST_AREA, ...ends) / alignment) * alignment
  }

  /** Areas that the case mapped. */
  mapped(): Area[] {
    return [...this.#areas.values()].slice(SOURCES.length)
  }

  /** The area that `map NAME KIND PAGES [prot=] [file=] [of=] [at=] [readonly]` describes. */
  add(words: Words): Area {
    const name = nameIn(words, 0, 'an area')
    const kindWord = words.words[1]
    const kind = AREA_KINDS.find(known => known === kindWord)
    if (kind === undefined) throw usageError(words.text, kindWord, `one of ${AREA_KINDS.join(', ')}`)
    const pageSize = pageSizeOf(kind)
    const pageCount = parseCountWord(words.text, words.words[2], 'a number of pages')
    const at = words.options.get('at')
    const of = words.options.get('of')
    const area: Area = {
      name,
      kind,
      base: at === undefined ? this.#nextBase(pageSize) : this.place(words, at).address,
      pageSize,
      pageCount,
      filePages: parseCountWord(words.text, words.options.get('file') ?? String(pageCount), 'file=PAGES'),
      fileReadOnly: hasWord(words, 'readonly'),
      fileOf: of === undefined ? null : this.area(words, of),
      ...parseProtection(words, words.options.get('prot') ?? 'rw'),
    }
    this.#areas.set(name, area)
    return area
  }

  area({ text }: Words, name: string | undefined): Area {
    const area = this.#areas.get(name ?? '')
    if (area === undefined) throw usageError(text, name, `one of the areas ${[...this.#areas.keys()].join(', ')}`)
    return area
  }

  /** `a.2`, `a.2+0x10`, `0x1000`. */
  place(words: Words, word: string | undefined): Place {
    const match = /^(?:(\w+)\.(\d+)(?:\+(0x[0-9a-f]+|\d+))?|(0x[0-9a-f]+))$/.exec(word ?? '')
    if (match === null) throw usageError(words.text, word, 'an address such as a.2, a.2+0x10 or 0x1000')
    if (match[4] !== undefined) return { address: Number(match[4]), page: 0, pageSize: PAGE_SIZE }
    const { base, pageSize } = this.area(words, match[1])
    const page = Number(match[2])
    return { address: base + page * pageSize + Number(match[3] ?? 0), page, pageSize }
  }

  /** The address at word `index` and the length behind it. */
  range(words: Words, index: number): Range {
    const place = this.place(words, words.words[index])
    return { ...place, length: this.length(words, words.words[index + 1], place.pageSize) }
  }

  /** A number of pages, or of bytes as `100b`. */
  length({ text }: Words, word: string | undefined, pageSize: number): number {
    const match = /^(0x[0-9a-f]+|\d+)(b?)$/.exec(word ?? '')
    if (match === null) throw usageError(text, word, 'a length such as 2 (pages) or 100b (bytes)')
    return Number(match[1]) * (match[2] === 'b' ? 1 : pageSize)
  }

  /** Area and page of a word such as `a.2`. */
  pageOfArea(words: Words, word: string | undefined): { readonly area: Area; readonly page: number } {
    return { area: this.area(words, word?.split('.')[0]), page: this.place(words, word).page }
  }

  /** Where COPY reads from unless told: the page of `src` or `bigsrc` with the number of the page that is filled. */
  copySource({ page, pageSize, length }: Range): number {
    const small = pageSize === PAGE_SIZE && page * PAGE_SIZE + length <= SOURCES[0].pageCount * PAGE_SIZE
    const { name, pageCount } = SOURCES[small ? 0 : 1]
    const source = this.#areas.get(name)!
    return source.base + (page % pageCount) * source.pageSize
  }

  /** The other way round; what lies behind an area, its end first of all, is told from that area on. */
  describe(address: number): string {
    const areas = [...this.#areas.values()].reverse().filter(({ base }) => base <= address)
    const containing = areas.find(({ base, pageSize, pageCount }) => address <= base + pageSize * pageCount)
    if (areas.length === 0) return `0x${address.toString(16)}`
    const area = containing ?? areas.reduce((nearest, other) => (other.base > nearest.base ? other : nearest))
    const offset = address - area.base
    const within = offset % area.pageSize
    return `${area.name}.${(offset - within) / area.pageSize}${within === 0 ? '' : `+0x${within.toString(16)}`}`
  }
}

function pageSizeOf(kind: AreaKind): number {
  if (kind.startsWith('gigantic')) return GIGANTIC_PAGE_SIZE
  return kind.startsWith('hugetlb') ? HUGE_PAGE_SIZE : PAGE_SIZE
}

export function parseProtection({ text }: Words, word: string | undefined): { read: boolean; write: boolean } {
  if (word !== 'rw' && word !== 'r' && word !== 'none') throw usageError(text, word, 'rw, r or none')
  return { read: word !== 'none', write: word === 'rw' }
}
