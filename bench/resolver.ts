/** What the answer to a missing page costs: on 4 KiB host pages, and on 2 MiB ones that hold data and zeros. */
import { deepStrictEqual } from 'node:assert'
import { createRandom, nextUint32 } from '../src/core/random.ts'
import { parseHostPages } from '../src/destination/host-pages.ts'
import { createLayout, type Layout, PAGE_MIXED, pageContent } from '../src/destination/layout.ts'
import { createResolution, OPERATION_NAMES, type Resolution, resolve } from '../src/resolver/resolver.ts'
import { openSynthetic } from '../src/snapshot/synthetic.ts'
import { type NaiveAnswer, NaiveResolver } from './naive-resolver.ts'
import type { Bench } from './record.ts'
import { measureSideBySide } from './side-by-side.ts'

const SEED = 1
/** Reads are not cut, so that one run of pages is one run to read. */
const READ_BYTES = Number.MAX_SAFE_INTEGER
const SNAPSHOT = `synthetic:1GiB,zero=40%,runs=8,seed=${SEED}`
const CASES = [
  { name: 'a 4 KiB host page', hostPages: '4K', resolutions: 4096, mixedOnly: false },
  { name: 'a mixed 2 MiB host page', hostPages: '2M', resolutions: 64, mixedOnly: true },
]

export const resolver: Bench = {
  name: 'resolver',
  summary: 'the answer to a missing page, beside a resolver on an array of pages',
  run: async function* () {
    for (const { name, hostPages, resolutions, mixedOnly } of CASES) {
      const layout = createLayout(openSynthetic(SNAPSHOT), parseHostPages(hostPages))
      const pages = drawHostPages(layout, resolutions, mixedOnly)
      const resolution = createResolution(layout, 1, READ_BYTES)
      const naive = new NaiveResolver(layout.blocks[0])
      for (const page of pages) {
        deepStrictEqual(answerOf(resolve(layout, page, 1, READ_BYTES, resolution)), naive.resolve(page))
      }
      let runs = 0
      yield await measureSideBySide({
        name: `resolve ${name}`,
        operations: resolutions,
        run: () => {
          for (const page of pages) runs += resolve(layout, page, 1, READ_BYTES, resolution).runCount
        },
        yardstick: {
          name: 'array of pages',
          run: () => {
            for (const page of pages) runs += naive.resolve(page).runs.length
          },
        },
        seed: SEED,
      })
      if (runs === 0) throw new Error(`${name}: found no run to read in any answer`)
    }
  },
}

function drawHostPages(layout: Layout, count: number, mixedOnly: boolean): Uint32Array {
  const random = createRandom(SEED)
  const pages = new Uint32Array(count)
  for (let i = 0; i < count; ) {
    pages[i] = nextUint32(random) % layout.hostPageCount
    if (!mixedOnly || pageContent(layout, pages[i]) === PAGE_MIXED) i++
  }
  return pages
}

function answerOf({ op, runCount, fileOffset, bufferOffset, length }: Resolution): NaiveAnswer {
  const runs = Array.from({ length: runCount }, (_, i) => {
    return { fileOffset: fileOffset[i], bufferOffset: bufferOffset[i], length: length[i] }
  })
  return { op: OPERATION_NAMES[op], runs }
}
