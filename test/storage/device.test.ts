/** Storage as it is written on the command line. */
import { describe, expect, it } from 'vitest'
import { DEVICE_PRESETS, type DeviceParameters, gateTimes, parseStorage } from '../../src/storage/device.ts'

const HOST: DeviceParameters = {
  latencyNs: 20_000,
  latencyP99Ns: 50_000,
  bandwidthBytesPerS: 1e9,
  iopsLimit: 70_000,
  queueDepth: 16,
  cpuPerReadNs: 15_000,
  cpuPerRead4kNs: 250,
}

describe('a preset', () => {
  /** Of the sources that src/storage/device.ts names. */
  it.each([
    ['nvme', { aloneUs: 1e6 / 19_000, p99Us: 3.5e6 / 19_000, iops: 600_000, largeBytesPerS: 3.5e9 }],
    ['virtio-ssd', { aloneUs: 94, p99Us: 330, iops: 58_000, largeBytesPerS: 0.92e9 }],
    ['sata-ssd', { aloneUs: 128, p99Us: 3.5 * 128, iops: 360e6 / 4096, largeBytesPerS: 0.85e9 }],
  ])('%s delivers what its source says, within 1 %', (name, { aloneUs, p99Us, iops, largeBytesPerS }) => {
    const { device } = parseStorage(name)
    const { nsPerRead, nsPerByte } = gateTimes(device)
    const gateNs = (bytes: number) => nsPerRead + bytes * nsPerByte
    const knownNs = gateNs(4096) + device.cpuPerReadNs + device.cpuPerRead4kNs
    const ratios = [
      (knownNs + device.latencyNs) / (aloneUs * 1e3),
      (knownNs + device.latencyP99Ns) / (p99Us * 1e3),
      1e9 / gateNs(4096) / iops,
      (2 ** 20 * 1e9) / gateNs(2 ** 20) / largeBytesPerS,
    ]
    for (const ratio of ratios) expect(Math.abs(ratio - 1)).toBeLessThan(0.01)
  })
})

describe('storage', () => {
  it.each(DEVICE_PRESETS)('$name is a preset, cold unless it is said to be warm', ({ name, parameters }) => {
    expect(parseStorage(name)).toEqual({ name, device: parameters, cacheWarm: false })
    expect(parseStorage(`${name}:cache=warm`).cacheWarm).toBe(true)
  })

  it("host is the profile's device, and takes the same options", () => {
    expect(parseStorage('host', HOST)).toEqual({ name: 'host', device: HOST, cacheWarm: false })
    expect(parseStorage('host:cache=warm,latency=40us', HOST)).toEqual({
      name: 'host:cache=warm,latency=40us',
      device: { ...HOST, latencyNs: 40_000, latencyP99Ns: 100_000 },
      cacheWarm: true,
    })
  })

  it.each([
    ['host', 'storage host: found a profile without a device, expected one that `lazyrestore calibrate` wrote'],
    ['floppy', 'storage: found "floppy", expected one of nvme, virtio-ssd, sata-ssd, host, with key=value options'],
    ['nvme:cache=hot', 'storage nvme: option cache: found "hot", expected cold or warm'],
    ['nvme:p99=1us', 'storage nvme: found p99 1000 ns, expected at least the median, 47900 ns'],
  ])('%s is refused', (text, message) => expect(() => parseStorage(text)).toThrow(message))
})
