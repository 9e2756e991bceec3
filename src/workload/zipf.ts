/**
 * Few pages get most accesses: page ranks follow a Zipf law, as keys of caches and databases do. Ranks are scattered over
 * memory by a seeded permutation, so that hot pages are no neighbours.
 */
import { option } from '../core/spec-string.ts'
import { accessOptions, allocateColumns, checkRequest, drawTimesAndWrites, evenParts, toWorkload } from './columns.ts'
import { defineWorkload, parseDecimal } from './definition.ts'
import { createPermutation, permute } from './permutation.ts'
import { createStream } from './random-stream.ts'
import { createZipfSampler, sampleZipf } from './zipf-sampler.ts'

export const zipf = defineWorkload({
  name: 'zipf',
  summary: 'few hot pages, scattered over memory, get most accesses',
  source: "skew 0.99 is YCSB's zipfian constant (Cooper et al., SoCC'10)",
  options: {
    accesses: option('count', 100_000, 'number of accesses, over all vCPUs'),
    skew: option('text', '0.99', 'the page of rank r is accessed in proportion to r^-skew; 0 (uniform) to 10'),
    ...accessOptions({ think: 2000, jitter: 0.5, write: 0.2, vcpus: 1 }),
  },
  create: (options, memory, seed, name) => {
    checkRequest(name, options, memory)
    const skew = parseDecimal(options.skew, `${name}: option skew`, 0, 10)
    const columns = allocateColumns(name, evenParts(options.accesses, options.vcpus), memory)
    const sampler = createZipfSampler(memory.pageCount, skew)
    const permutation = createPermutation(memory.pageCount, createStream(seed, 'permutation'))
    for (let vcpu = 0; vcpu < options.vcpus; vcpu++) {
      const stream = createStream(seed, 'pages', vcpu)
      for (let i = columns.starts[vcpu]; i < columns.starts[vcpu + 1]; i++) {
        columns.page[i] = permute(permutation, sampleZipf(sampler, stream) - 1)
      }
    }
    drawTimesAndWrites(columns, options, seed)
    return toWorkload(name, memory, seed, columns)
  },
})
