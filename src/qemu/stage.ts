/**
 * How far a restore has come, and so what becomes of the VM when it fails there: what every message of a failure ends with.
 * A destination goes to postcopy-paused, from which it can be taken up again, only once its VM may run.
 */

export type Stage =
  /** Nothing was sent. */
  | 'connect'
  /** Head of the stream; the return path is open. */
  | 'head'
  /** Postcopy with the page sizes of the layout. */
  | 'advise'
  /** The RAM blocks. */
  | 'blocks'
  /** Memory that must be there before the VM runs. */
  | 'before'
  /** Device state. */
  | 'devices'
  /** A paused destination was asked what it has. */
  | 'resume'
  /** The VM may run, and a part of its memory is only in the file. */
  | 'running'
  /** Everything was sent. */
  | 'end'

const NOT_RUN =
  'The VM did not run, and the snapshot is as it was: end that QEMU, start it anew as a destination, and run this command again.'

const STATE: { readonly [S in Stage]: string } = {
  connect:
    'No VM was touched. Start QEMU with the options of the saved VM and -incoming defer, set the capability postcopy-ram, and tell it migrate-incoming with this address.',
  head: NOT_RUN,
  advise: NOT_RUN,
  blocks: NOT_RUN,
  before: NOT_RUN,
  devices: NOT_RUN,
  resume:
    'The VM is as it was, paused with a part of its memory missing (query-migrate: postcopy-paused). Tell QEMU migrate-recover with an address that is free, and run this command again with --resume and that address.',
  running:
    'A part of the memory is missing: the VM runs until it needs that, and query-migrate says postcopy-paused. Do not end QEMU: tell it migrate-recover with a new address, and run this command with --resume and that address. If QEMU has ended, restore anew.',
  end: 'All memory was sent. If query-migrate in QEMU says completed the VM is whole; if not, end QEMU and restore anew.',
}

/** What the VM's state is when a restore fails at a stage, and what to do. */
export function stateOfVm(stage: Stage): string {
  return STATE[stage]
}

/** Why a destination is likely to end the connection at a stage. */
const LIKELY: { readonly [S in Stage]?: string } = {
  head: 'it lacks the capability postcopy-ram, or it runs another machine type than the saved VM',
  advise: 'the host pages of its RAM blocks have other sizes',
  blocks:
    'its RAM blocks have other names or lengths than the saved ones: start it with the same -m, machine type and devices',
  devices: 'its machine type or devices are not those of the saved VM',
}

export function likelyReason(stage: Stage): string | null {
  return LIKELY[stage] ?? null
}
