/** A profile for people. */
import { expect, it } from 'vitest'
import { renderProfileTable } from '../../src/report/profile-table.ts'
import { DEFAULT_HOST_PROFILE, type HostProfile } from '../../src/sim/host-profile.ts'

const parameters = DEFAULT_HOST_PROFILE.parameters
const profile: HostProfile = {
  ...DEFAULT_HOST_PROFILE,
  host: 'a machine',
  facts: {
    cpu: 'c',
    cores: 4,
    kernel: 'Linux',
    node: 'v20',
    virtualised: false,
    date: '2026-01-02T00:00:00.000Z',
    fileSystem: 'ext4',
    blockDevice: 'sda',
    loadBefore: 0.1,
    loadAfter: 1,
  },
  parameters: {
    ...parameters,
    copyCallNs: { value: 2200, unit: 'ns', source: 'measured', spread: { p10: 2000, p90: 2500 } },
  },
  device: {
    latencyNs: { value: 5000, unit: 'ns', source: 'fitted', spread: { p10: 4000, p90: 6000 } },
    latencyP99Ns: { value: 9000, unit: 'ns', source: 'fitted' },
    bandwidthBytesPerS: { value: 2 ** 30, unit: 'bytes/s', source: 'fitted' },
    iopsLimit: { value: 70_000, unit: 'reads/s', source: 'fitted' },
    queueDepth: { value: 8, unit: 'requests', source: 'fitted' },
    haltPollNs: { value: 90_000, unit: 'ns', source: 'fitted' },
    idleWakeNs: { value: 60_000, unit: 'ns', source: 'fitted' },
    cpuPerReadNs: { value: 15_000, unit: 'ns', source: 'fitted' },
    cpuPerRead4kNs: { value: 250, unit: 'ns', source: 'fitted' },
  },
}

it('shows value, spread and how it compares with the default, then the device', () => {
  const lines = renderProfileTable(profile).split('\n')
  expect(lines.slice(0, 2)).toEqual(['a machine', 'node v20, ext4 on sda, load 0.10 before and 1.00 after'])
  const row = (name: string) =>
    lines
      .find(line => line.startsWith(`${name} `))
      ?.split(/ {2,}/)
      .map(cell => cell.trim())
  expect(row('copyCallNs')).toEqual(['copyCallNs', '2.20 µs', '2.00 µs', '2.50 µs', '1.10 µs', '2.00 x'])
  expect(row('cores')).toEqual(['cores', '2', '-', '-', '2', '1.00 x'])
  expect(row('bandwidthBytesPerS')).toEqual(['bandwidthBytesPerS', '1 GiB/s', '-', '-'])
  expect(row('latencyNs')).toEqual(['latencyNs', '5.00 µs', '4.00 µs', '6.00 µs'])
})

it('has no device where the profile has none', () => {
  expect(renderProfileTable(DEFAULT_HOST_PROFILE)).not.toContain('storage device')
})
