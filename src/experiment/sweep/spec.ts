/**
 * What a sweep varies, and over what: a restore whose texts have `{variables}` in them, and a design that gives the variables
 * values. docs/sweeps.md has the format; here it is checked, field by field, before anything else is done with it.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { checkFields, describe, expectFields, type FieldRule, orNull, textRule, wholeRule } from '../../core/fields.ts'
import { type DesignPart, type Draws, gridParts, latinHypercubePart, type Point, randomPart } from './design.ts'
import { checkRange, type Range, spread } from './range.ts'

export const CELL_TEXTS = ['snapshot', 'layout', 'workload', 'storage', 'policy', 'cores'] as const
export type CellText = (typeof CELL_TEXTS)[number]

const ENGINES = ['sim', 'uffd', 'kvm'] as const

export interface SweepSpec {
  readonly name: string
  /** Texts of a cell, with `{variables}`; cores: empty for those of the profile. */
  readonly cell: Readonly<Record<CellText, string>>
  readonly engine: (typeof ENGINES)[number]
  /** The part of the resume that no policy changes, as a duration. */
  readonly fixed: string
  /** The earlier run that working sets are taken from; null: each cell's own workload. */
  readonly recording: string | null
  /** File of a host profile; null: the default one. */
  readonly profile: string | null
  readonly repetitions: number
  readonly seed: number
  /** Values of the variables; the cells are every combination of the parts' points. */
  readonly parts: readonly DesignPart[]
}

const MAX_TEXT = 1000
const MAX_POINTS = 1_000_000
const MAX_VARIABLES = 64
const MAX_REPETITIONS = 10_000
const VARIABLE = /\{([A-Za-z]\w*)\}/g

const DEFAULT_CELL: SweepSpec['cell'] = {
  snapshot: 'synthetic:1GiB,zero=60%,seed=1',
  layout: '4K',
  workload: 'working-set',
  storage: '',
  policy: '{policy}',
  cores: '',
}
const DEFAULTS = {
  name: 'sweep',
  cell: {},
  engine: 'sim',
  fixed: '8ms',
  recording: null,
  profile: null,
  grid: {},
  list: [],
  random: null,
  latinHypercube: null,
  repetitions: 1,
  seed: 1,
}
type Fields = Record<keyof typeof DEFAULTS, unknown>

const ANYTHING: FieldRule = { accepts: () => true, expected: 'a value' }
const RULES: Record<keyof Fields, FieldRule> = {
  name: textRule(200),
  cell: ANYTHING,
  engine: { accepts: value => ENGINES.some(name => name === value), expected: `one of ${ENGINES.join(', ')}` },
  fixed: textRule(40),
  recording: orNull(textRule(MAX_TEXT)),
  profile: orNull(textRule(MAX_TEXT)),
  grid: ANYTHING,
  list: ANYTHING,
  random: ANYTHING,
  latinHypercube: ANYTHING,
  repetitions: wholeRule(1, MAX_REPETITIONS),
  seed: wholeRule(0, Number.MAX_SAFE_INTEGER),
}

/** @param where the file, for messages @throws LazyRestoreError `format` with the field, what was found and what expected */
export function checkSweepSpec(value: unknown, where: string): SweepSpec {
  const fields = checkFields<Fields>({ ...DEFAULTS, ...expectFields(value, where) }, RULES, where)
  const seed = fields.seed as number
  const parts = [
    ...gridParts(checkGrid(fields.grid, `${where}: grid`)),
    ...checkList(fields.list, `${where}: list`),
    ...checkDraws(fields.random, `${where}: random`).map(draws => randomPart(draws, seed)),
    ...checkDraws(fields.latinHypercube, `${where}: latinHypercube`).map(draws => latinHypercubePart(draws, seed)),
  ]
  const engine = fields.engine as SweepSpec['engine']
  const cell = checkCell(fields.cell, engine, `${where}: cell`)
  checkVariables(cell, parts, where)
  return {
    name: fields.name as string,
    cell,
    engine,
    fixed: fields.fixed as string,
    recording: fields.recording as string | null,
    profile: fields.profile as string | null,
    repetitions: fields.repetitions as number,
    seed,
    parts,
  }
}

/** The variables that a text has, in order. */
export function variablesIn(text: string): string[] {
  return Array.from(text.matchAll(VARIABLE), ([, name]) => name)
}

export function fillIn(text: string, values: Point): string {
  return text.replaceAll(VARIABLE, (_, name: string) => values[name])
}

function checkCell(value: unknown, engine: SweepSpec['engine'], where: string): SweepSpec['cell'] {
  const storage = engine === 'sim' ? 'nvme' : 'host'
  const given = { ...DEFAULT_CELL, storage, ...expectFields(value, where) }
  const rules = Object.fromEntries(CELL_TEXTS.map(name => [name, textRule(MAX_TEXT)]))
  return checkFields<SweepSpec['cell']>(given, rules as Record<CellText, FieldRule>, where)
}

function checkGrid(value: unknown, where: string): Record<string, readonly string[]> {
  const grid: Record<string, readonly string[]> = {}
  for (const [name, values] of Object.entries(expectFields(value, where))) {
    const place = `${where}.${name}`
    if (Array.isArray(values)) {
      if (values.length === 0) throw new LazyRestoreError('format', `${place}: found no value, expected at least one`)
      grid[name] = values.map((one, i) => expectValue(one, `${place}[${i}]`))
    } else {
      if (typeof values !== 'object' || values === null) {
        throw new LazyRestoreError(
          'format',
          `${place}: found ${describe(values)}, expected a list of values or a range`,
        )
      }
      const range = checkRange(values, place)
      if (range.points === null) {
        throw new LazyRestoreError('format', `${place}: found no field points, expected how many values to take`)
      }
      grid[name] = spread(range, range.points)
    }
  }
  return grid
}

function checkList(value: unknown, where: string): DesignPart[] {
  if (!Array.isArray(value)) throw new LazyRestoreError('format', `${where}: found ${describe(value)}, expected a list`)
  if (value.length === 0) return []
  const points = value.map((row, i) => {
    const place = `${where}[${i}]`
    return Object.fromEntries(
      Object.entries(expectFields(row, place)).map(([name, one]) => [name, expectValue(one, `${place}.${name}`)]),
    )
  })
  const variables = Object.keys(points[0])
  for (const [i, point] of points.entries()) {
    if (Object.keys(point).sort().join() === [...variables].sort().join()) continue
    const found = Object.keys(point).join(', ') || 'nothing'
    throw new LazyRestoreError('format', `${where}[${i}]: found ${found}, expected ${variables.join(', ')} as in row 0`)
  }
  return [{ variables, points }]
}

/** As a list, of one or none. */
function checkDraws(value: unknown, where: string): Draws[] {
  if (value === null) return []
  const rules = { points: wholeRule(1, MAX_POINTS), of: ANYTHING }
  const { points, of } = checkFields<{ points: unknown; of: unknown }>(expectFields(value, where), rules, where)
  const ranges: Record<string, Range> = {}
  for (const [name, range] of Object.entries(expectFields(of, `${where}.of`))) {
    ranges[name] = checkRange(range, `${where}.of.${name}`)
    if (ranges[name].points === null) continue
    throw new LazyRestoreError('format', `${where}.of.${name}: found field points, expected it beside "of"`)
  }
  if (Object.keys(ranges).length === 0) {
    throw new LazyRestoreError('format', `${where}.of: found no variable, expected at least one`)
  }
  return [{ points: points as number, of: ranges }]
}

function expectValue(value: unknown, where: string): string {
  const isText = typeof value === 'string' && value.length <= MAX_TEXT
  if (isText || Number.isFinite(value) || typeof value === 'boolean') return String(value)
  throw new LazyRestoreError('format', `${where}: found ${describe(value)}, expected a text or a number`)
}

/** Every variable has values from one part, and is in a text of the cell; no text has others. */
function checkVariables(cell: SweepSpec['cell'], parts: readonly DesignPart[], where: string): void {
  const varied = parts.flatMap(({ variables }) => variables)
  const used = new Set(CELL_TEXTS.flatMap(text => variablesIn(cell[text])))
  for (const [i, name] of varied.entries()) {
    if (!/^[A-Za-z]\w*$/.test(name)) {
      throw new LazyRestoreError('format', `${where}: found variable ${describe(name)}, expected letters and digits`)
    }
    if (varied.indexOf(name) < i) {
      throw new LazyRestoreError('format', `${where}: found variable ${name} varied twice, expected once`)
    }
    if (used.has(name)) continue
    throw new LazyRestoreError(
      'format',
      `${where}: found variable ${name} varied, expected {${name}} in a text of cell`,
    )
  }
  if (varied.length > MAX_VARIABLES) {
    throw new LazyRestoreError('limit', `${where}: found ${varied.length} variables, expected at most ${MAX_VARIABLES}`)
  }
  for (const name of used) {
    if (varied.includes(name)) continue
    const known = varied.length === 0 ? 'none' : varied.join(', ')
    throw new LazyRestoreError(
      'format',
      `${where}: found {${name}} in a text of cell, expected a variable that is varied (${known})`,
    )
  }
}
