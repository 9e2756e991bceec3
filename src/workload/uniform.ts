/**
 * Every access goes to any page of the memory, all alike: the worst case for readahead and for every guess at what comes
 * next. Zero pages are hit as often as they are many.
 */
import { option } from '../core/spec-string.ts'
import { accessOptions, allocateColumns, checkRequest, drawTimesAndWrites, evenParts, toWorkload } from './columns.ts'
import { defineWorkload } from './definition.ts'
import { below, createStream } from './random-stream.ts'

export const uniform = defineWorkload({
  name: 'uniform',
  summary: 'accesses to pages drawn uniformly from all memory',
  source: 'the worst case for any locality',
  options: {
    accesses: option('count', 100_000, 'number of accesses, over all vCPUs'),
    ...accessOptions({ think: 2000, jitter: 0.5, write: 0.2, vcpus: 1 }),
  },
  create: (options, memory, seed, name) => {
    checkRequest(name, options, memory)
    const columns = allocateColumns(name, evenParts(options.accesses, options.vcpus), memory)
    for (let vcpu = 0; vcpu < options.vcpus; vcpu++) {
      const stream = createStream(seed, 'pages', vcpu)
      for (let i = columns.starts[vcpu]; i < columns.starts[vcpu + 1]; i++) {
        columns.page[i] = below(stream, memory.pageCount)
      }
    }
    drawTimesAndWrites(columns, options, seed)
    return toWorkload(name, memory, seed, columns)
  },
})
