import { writeFileSync } from 'node:fs'
import { DEFAULT_HOST_PROFILE } from '../../src/sim/host-profile.ts'
import { DEVICE_PRESETS } from '../../src/storage/device.ts'

/** Writes the default profile to `path`, as if it had been measured with a device, or without one. */
export function writeProfile(path: string, withDevice: boolean): string {
  const preset = Object.entries(DEVICE_PRESETS[0].parameters)
  const device = Object.fromEntries(preset.map(([key, value]) => [key, { value, unit: 'unit', source: 'preset' }]))
  writeFileSync(path, JSON.stringify(withDevice ? { ...DEFAULT_HOST_PROFILE, device } : DEFAULT_HOST_PROFILE))
  return path
}
