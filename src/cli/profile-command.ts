/** `profile`: print the default host profile, as a start for one's own. */
import type { Command } from 'commander'
import { DEFAULT_HOST_PROFILE } from '../sim/host-profile.ts'

export function addProfileCommand(program: Command): void {
  program
    .command('profile')
    .description("Print the default host profile (JSON): the simulator's parameters, each with unit and source.")
    .addHelpText(
      'after',
      '\nExample:\n  lazyrestore profile > host.json   # edit, then: lazyrestore compare --profile host.json',
    )
    .action(() => {
      process.stdout.write(`${JSON.stringify(DEFAULT_HOST_PROFILE, null, 2)}\n`)
    })
}
