/** Host profiles as files: what `calibrate` writes, and what restores are told by. */
import { readJsonFile } from '../core/text-file.ts'
import type { HostProfile } from './host-profile.ts'
import { parseHostProfile } from './host-profile-file.ts'

/** @throws LazyRestoreError `io`, `limit`, or `format` with the field that is wrong */
export function readHostProfile(file: string): HostProfile {
  return parseHostProfile(readJsonFile(file, 'a host profile'), file)
}
