/** Columns that grow: typed arrays of which the first entries are in use, with the rest as room for more. */

export type Column = Uint8Array | Uint16Array | Uint32Array | Float64Array

const LEAST_ROOM = 64

/** The column itself if it has room for so many entries; else a copy with that room, and twice what there was. */
export function withRoom<C extends Column>(column: C, entries: number): C {
  if (entries <= column.length) return column
  const Same = column.constructor as new (length: number) => C
  const copy = new Same(Math.max(entries, 2 * column.length, LEAST_ROOM))
  copy.set(column)
  return copy
}
