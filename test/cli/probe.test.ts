import { expect, it } from 'vitest'
import { type Availability, probe } from '../../src/uffd/availability.ts'
import { runCli, runJson } from './run-cli.ts'

it('probe prints one line for each thing, with how to get what is missing', async () => {
  const { stdout, stderr, exitCode } = await runCli('probe')
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
  const lines = stdout.trimEnd().split('\n')
  const { koffi, userfaultfd, kvm, hugetlb1g } = probe()
  expect(lines.map(line => line.slice(0, 12).trimEnd())).toEqual([
    'koffi',
    'userfaultfd',
    'kvm',
    '2 MiB pages',
    '1 GiB pages',
  ])
  for (const [i, reason] of [koffi, userfaultfd, kvm].entries()) {
    expect(lines[i].slice(13)).toMatch(reason === null ? /^there/ : reason)
  }
  if (hugetlb1g.reason !== null) expect(lines[4]).toMatch(/hugetlb: (found \d+ free pages of 1 GiB|this host has no)/)
})

it('probe --json prints the same as the library says', async () => {
  const { koffi, userfaultfd, kvm } = await runJson<Availability>('probe')
  expect({ koffi, userfaultfd, kvm }).toMatchObject({
    koffi: probe().koffi,
    userfaultfd: probe().userfaultfd,
    kvm: probe().kvm,
  })
})
