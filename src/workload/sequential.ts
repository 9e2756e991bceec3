/**
 * A scan: pages in address order, `stride` apart, from the first page on and around at the end. Each vCPU scans a part of
 * its own. It is what fills, checksums and garbage collections do, and the best case for readahead.
 */
import { LazyRestoreError } from '../core/error.ts'
import { option } from '../core/spec-string.ts'
import { accessOptions, allocateColumns, checkRequest, drawTimesAndWrites, evenParts, toWorkload } from './columns.ts'
import { defineWorkload, pagesOfShare } from './definition.ts'

export const sequential = defineWorkload({
  name: 'sequential',
  summary: 'a scan over memory in address order',
  source: 'the ideal case; 500 ns a page is 8 GB/s, what one core reads from memory',
  options: {
    share: option('share', 1, 'share of the memory that the scan passes over'),
    accesses: option('count', 0, 'number of accesses; 0: as many as share and stride make'),
    stride: option('count', 1, 'pages from one access to the next', 1),
    ...accessOptions({ think: 500, jitter: 0, write: 0, vcpus: 1 }),
  },
  create: (options, memory, seed, name) => {
    checkRequest(name, options, memory)
    const { pageCount } = memory
    const { stride } = options
    if (stride > pageCount) {
      throw new LazyRestoreError(
        'usage',
        `${name}: option stride: found ${stride}, expected at most the memory's ${pageCount} pages`,
      )
    }
    const accesses = options.accesses || Math.ceil(pagesOfShare(options.share, pageCount) / stride)
    const columns = allocateColumns(name, evenParts(accesses, options.vcpus), memory)
    for (let vcpu = 0; vcpu < options.vcpus; vcpu++) {
      const start = columns.starts[vcpu]
      let page = Number((BigInt(start) * BigInt(stride)) % BigInt(pageCount))
      for (let i = start; i < columns.starts[vcpu + 1]; i++) {
        columns.page[i] = page
        page += stride
        if (page >= pageCount) page -= pageCount
      }
    }
    drawTimesAndWrites(columns, options, seed)
    return toWorkload(name, memory, seed, columns)
  },
})
