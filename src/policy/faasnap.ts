/**
 * FaaSnap: no userfaultfd; the file is mapped, zero regions are anonymous memory, and a loader thread brings the working set
 * into the page cache beside the running guest, so that its faults are minor ones. The recording is known by groups of 1,024
 * pages only (mincore, scanned whenever so many more were there); within a group there is no order. Neighbouring pages
 * become regions, over gaps of up to 32 pages too; regions are loaded by the first group that wanted a page of theirs, then
 * by address.
 *
 * FaaSnap copies the regions into a file of their own, one behind the other, and maps that over the memory file. Here the
 * loader reads them where they are: as many bytes, in more reads.
 */

import { testBit } from '../core/bitmap.ts'
import { option } from '../core/spec-string.ts'
import { blockOfHostPage, type Layout } from '../destination/layout.ts'
import { checkMappable } from './file-mapping.ts'
import { mapMechanism } from './mechanisms.ts'
import { thatPage } from './plan.ts'
import { definePolicy } from './policy.ts'
import { requireWorkingSet } from './recorded-pages.ts'

export const faasnap = definePolicy({
  name: 'faasnap',
  summary: 'map the file, and load the recorded regions into the page cache beside the guest',
  source: "FaaSnap, Ao et al., EuroSys'22; ucsdsysnet/faasnap: mincore_size 1024, interval_threshold 32",
  usesWorkingSet: true,
  options: {
    group: option('count', 1024, 'recorded pages whose order is not known', 1),
    gap: option('count', 32, 'most pages between two that one region spans'),
  },
  create: ({ group, gap }, context, name) => {
    const { layout } = context
    checkMappable(layout, name)
    const regions = loadingRegions(layout, requireWorkingSet(context, name), group, gap)
    let cursor = 0
    return {
      name,
      mechanism: mapMechanism({ workers: 1 }),
      onFault: thatPage,
      next: plan => {
        while (cursor < regions.length && !plan.full) {
          const { first, end } = regions[cursor++]
          plan.add(first, end - first)
        }
      },
    }
  },
})

interface Region {
  readonly first: number
  end: number
  /** The earliest of its pages' groups. */
  group: number
}

/** Regions over the recorded pages that have data, in the order in which they are loaded. */
function loadingRegions(layout: Layout, pages: Uint32Array, groupPages: number, gap: number): Region[] {
  const places = Uint32Array.from(pages, (_, place) => place)
    .filter(place => testBit(layout.hasData, pages[place]))
    .sort((a, b) => pages[a] - pages[b])
  const regions: Region[] = []
  let blockEnd = 0
  for (const place of places) {
    const page = pages[place]
    const group = Math.floor(place / groupPages)
    const region = regions.at(-1)
    if (region !== undefined && page < blockEnd && page - region.end <= gap) {
      region.end = page + 1
      region.group = Math.min(region.group, group)
    } else {
      regions.push({ first: page, end: page + 1, group })
      blockEnd = blockOfHostPage(layout, page).endHostPage
    }
  }
  return regions.sort((a, b) => a.group - b.group || a.first - b.first)
}
