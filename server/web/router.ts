/**
 * Where one is: `#/experiments/exp_1?slice=2`. All state that is worth sending to somebody is in the address, behind the #,
 * so that it survives a reload and the server need not know it.
 */

export interface Place {
  /** `['experiments', 'exp_1']` */
  readonly path: readonly string[]
  readonly query: Readonly<Record<string, string>>
}

export function parsePlace(hash: string): Place {
  const [path, query = ''] = hash.replace(/^#/, '').split('?', 2)
  return {
    path: path
      .split('/')
      .filter(part => part !== '')
      .map(decode),
    query: Object.fromEntries(new URLSearchParams(query)),
  }
}

/** The address of a place; what is undefined or empty in the query is left out. */
export function addressOf(path: readonly string[], query: Readonly<Record<string, string | undefined>> = {}): string {
  const parameters = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) if (value) parameters.set(key, value)
  const text = parameters.toString()
  return `#/${path.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`
}

/** A whole number of at least 0 out of the query; null when it is none. */
export function numberIn(query: Place['query'], key: string): number | null {
  const text = query[key] ?? ''
  return /^\d{1,15}$/.test(text) ? Number(text) : null
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
