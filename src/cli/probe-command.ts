/** `probe`: what of this host a real restore can use, and how to get what is missing. */
import type { Command } from 'commander'
import { formatCount } from '../core/units.ts'

const HELP = `
Needed by --engine uffd: koffi and userfaultfd; by --engine kvm: kvm too; by --host-page-size 2M or 1G: huge pages.

Example:
  lazyrestore probe`

export function addProbeCommand(program: Command): void {
  program
    .command('probe')
    .description('Show what of this host a real restore can use, and how to get what is missing.')
    .option('--json', 'print as JSON: for each thing the reason why it is missing, or null')
    .addHelpText('after', HELP)
    .action(runProbe)
}

async function runProbe({ json }: { readonly json?: boolean }): Promise<void> {
  const { probe } = await import('../uffd/availability.ts')
  const availability = probe()
  if (json) {
    process.stdout.write(`${JSON.stringify(availability, null, 2)}\n`)
    return
  }
  const { koffi, userfaultfd, kvm, hugetlb2m, hugetlb1g } = availability
  const rows = [
    ['koffi', koffi ?? 'there'],
    ['userfaultfd', userfaultfd ?? 'there, also for faults of the kernel'],
    ['kvm', kvm ?? 'there'],
    ['2 MiB pages', hugetlb2m.reason ?? `there, ${formatCount(hugetlb2m.free)} free`],
    ['1 GiB pages', hugetlb1g.reason ?? `there, ${formatCount(hugetlb1g.free)} free`],
  ]
  for (const [what, state] of rows) process.stdout.write(`${what.padEnd(12)} ${state}\n`)
}
