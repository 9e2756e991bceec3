import { execFileSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import * as constants from '../../src/uffd/constants.ts'
import { requireOrSkip } from '../support/availability.ts'

const HEADER = '/usr/include/linux/userfaultfd.h'
const kernelNames = Object.entries(constants).filter(
  ([name, value]) => /^(UFFD|USERFAULTFD)/.test(name) && typeof value === 'number',
) as [string, number][]

/** What the C compiler makes of the names that its header has. */
function valuesInHeader(): Map<string, number> {
  const names = kernelNames.map(([name]) => name)
  const lines = names.map(name => `#ifdef ${name}\nprintf("${name} %llu\\n", (unsigned long long)${name});\n#endif`)
  const includes = ['sys/ioctl.h', 'stdio.h', 'linux/userfaultfd.h'].map(file => `#include <${file}>`)
  const program = [...includes, 'int main(void) {', ...lines, '}'].join('\n')
  const output = join(tmpdir(), `lazyrestore-constants-${process.pid}`)
  execFileSync('cc', ['-w', '-x', 'c', '-', '-o', output], { input: program })
  try {
    const text = execFileSync(output, { encoding: 'utf8' })
    return new Map(
      text
        .trim()
        .split('\n')
        .map(line => [line.split(' ')[0], Number(line.split(' ')[1])]),
    )
  } finally {
    rmSync(output)
  }
}

describe('constants', () => {
  it('are what the C header says', context => {
    requireOrSkip(context, existsSync(HEADER) ? null : `${HEADER} is missing; run: apt-get install linux-libc-dev`)
    const inHeader = valuesInHeader()
    expect(inHeader.size).toBeGreaterThan(20)
    const ours = new Map(kernelNames.filter(([name]) => inHeader.has(name)))
    expect(ours).toEqual(inHeader)
  })

  it('name errnos as the platform does', () => {
    expect([1, 11, 17, 22].map(constants.errnoName)).toEqual(['EPERM', 'EAGAIN', 'EEXIST', 'EINVAL'])
    expect([0, 133].map(constants.errnoName)).toEqual(['errno 0', 'errno 133'])
  })
})
