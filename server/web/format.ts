/** Numbers for people: three significant digits, the unit last, nothing that differs from line to line in width. */

const NOTHING = '–'
const DURATIONS: readonly (readonly [string, number])[] = [
  ['s', 1e9],
  ['ms', 1e6],
  ['µs', 1e3],
]
const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** `1.25 s`, `480 ms`, `90 ns`. */
export function duration(ns: number | null): string {
  if (ns === null || Number.isNaN(ns)) return NOTHING
  const step = DURATIONS.find(([, factor]) => ns >= factor * 0.9995)
  return step === undefined ? `${Math.round(ns)} ns` : `${digits(ns / step[1])} ${step[0]}`
}

/** Of a tick on an axis: without zeros that say nothing. */
export function shortDuration(ns: number): string {
  return ns === 0 ? '0' : duration(ns).replace(/\.(\d*?)0+(?= )/, (_, rest) => (rest === '' ? '' : `.${rest}`))
}

/** `1 GiB`, `12.5 MiB`. */
export function bytes(count: number | null): string {
  if (count === null) return NOTHING
  const power = count < 1 ? 0 : Math.min(SIZES.length - 1, Math.floor(Math.log2(count) / 10))
  const value = count / 1024 ** power
  return `${Number.isInteger(value) ? value : digits(value)} ${SIZES[power]}`
}

/** Time that is left: `12.5 s`, `8 min`. */
export function remaining(ms: number): string {
  return ms < 2 * MINUTE_S * 1000 ? duration(ms * 1e6) : `${Math.round(ms / 1000 / MINUTE_S)} min`
}

/** `1,048,576`. */
export function count(value: number | null): string {
  return value === null ? NOTHING : Math.round(value).toLocaleString('en-US')
}

/** `1.02×`. */
export function factor(value: number | null): string {
  return value === null ? NOTHING : `${digits(value)}×`
}

/** `12.3 %` */
export function share(value: number | null): string {
  return value === null ? NOTHING : `${digits(value * 100)} %`
}

/** `3 restores`, `1 restore`. */
export function plural(value: number, noun: string, nouns = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : nouns}`
}

const MINUTE_S = 60
const HOUR_S = 3600
const DAY_S = 86_400

/** How long ago: `just now`, `5 min ago`, `3 h ago`, `2 d ago`. */
export function ago(iso: string, nowMs: number): string {
  const s = Math.max(0, (nowMs - Date.parse(iso)) / 1000)
  if (s < MINUTE_S) return 'just now'
  if (s < HOUR_S) return `${Math.floor(s / MINUTE_S)} min ago`
  if (s < DAY_S) return `${Math.floor(s / HOUR_S)} h ago`
  return `${Math.floor(s / DAY_S)} d ago`
}

function digits(value: number): string {
  return value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2)
}
