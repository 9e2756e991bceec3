/**
 * Where an address of somebody's trace lies in the snapshot's memory, all restored blocks one behind the other.
 *
 *   offset                 the address is the place itself: an offset in the memory file, or guest-physical without a hole
 *   hole:3GiB              guest-physical on a PC: memory below the hole at 0, the rest from 4 GiB on (Firecracker: 3 GiB)
 *   base:0x7f3308c00000    virtual: memory starts there
 *
 * A format that names block and offset needs none.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { parseSpec } from '../../core/spec-string.ts'
import { GIB, parseBytes } from '../../core/units.ts'
import type { Snapshot } from '../../snapshot/snapshot.ts'

export const ADDRESSES_HELP = 'offset, hole:3GiB (guest-physical on a PC), base:0x7f… (virtual, memory starts there)'

/** Target page of a place, or −1 for one that is not in the memory. */
export interface AddressMap {
  pageOf(block: string | null, address: number): number
}

const ABOVE_HOLE = 4 * GIB

/** @throws LazyRestoreError `usage` */
export function addressMap(text: string, snapshot: Snapshot): AddressMap {
  const toOffset = parseAddresses(text)
  const blocks = new Map<string, { readonly first: number; readonly pages: number }>()
  const { pageSize } = snapshot.blocks.find(({ ignored }) => !ignored) ?? snapshot.blocks[0]
  let pageCount = 0
  for (const block of snapshot.blocks) {
    if (block.ignored) continue
    blocks.set(block.name, { first: pageCount, pages: block.pageCount })
    pageCount += block.pageCount
  }
  return {
    pageOf: (name, address) => {
      const page = Math.floor((name === null ? toOffset(address) : address) / pageSize)
      const place = name === null ? { first: 0, pages: pageCount } : blocks.get(name)
      if (place === undefined || page < 0 || page >= place.pages) return -1
      return place.first + page
    },
  }
}

function parseAddresses(text: string): (address: number) => number {
  const { name, positional, options } = parseSpec(text)
  if (Object.keys(options).length === 0) {
    if (name === 'offset' && positional === null) return address => address
    if (name === 'base' && positional !== null) {
      const base = parseBase(positional)
      return address => address - base
    }
    if (name === 'hole' && positional !== null) {
      const below = parseBytes(positional, 'addresses: hole')
      if (below > ABOVE_HOLE) {
        throw new LazyRestoreError('usage', `addresses: found a hole at ${positional}, expected one below 4GiB`)
      }
      return address => (address < below ? address : address < ABOVE_HOLE ? -1 : address - ABOVE_HOLE + below)
    }
  }
  throw new LazyRestoreError('usage', `addresses: found "${text}", expected ${ADDRESSES_HELP}`)
}

function parseBase(text: string): number {
  const base = /^0x[0-9a-f]+$/i.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(base)) return base
  throw new LazyRestoreError('usage', `addresses: base: found "${text}", expected an address such as 0x7f3308c00000`)
}
