import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { WORKLOADS } from '../../src/workload/registry.ts'
import { decodeTrace } from '../../src/workload/trace-file.ts'
import { MemorySource } from './support.ts'

const text = readFileSync(new URL('../../docs/workloads.md', import.meta.url), 'utf8')

test('the documentation has a table row for every option of every generator', () => {
  for (const { name, options } of WORKLOADS) {
    expect(text).toContain(`## \`${name}\``)
    for (const key of Object.keys(options)) expect(text, `${name}: ${key}`).toContain(`\n| \`${key}\` |`)
  }
})

test('the two traces that the documentation shows can be read, and hold the same accesses', async () => {
  const ndjson = /```\n(\{"format[^`]*)```/.exec(text)![1]
  const rows = [...text.matchAll(/^[0-9a-f]{8}: ((?:[0-9a-f]{2,4} ){1,8}) /gm)]
  const binary = Buffer.from(rows.map(([, row]) => row.replaceAll(' ', '')).join(''), 'hex')
  const shown = await decodeTrace(new MemorySource(binary))
  expect(shown).toMatchObject({ name: 'x', seed: 1, pageCount: 100, vcpus: 1 })
  const { starts, page, thinkNs, flags } = await decodeTrace(new MemorySource(Buffer.from(ndjson)))
  expect(shown).toMatchObject({ starts, page, thinkNs, flags })
  expect([...page]).toEqual([17, 18])
})
