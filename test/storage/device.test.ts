/** Storage as it is written on the command line. */
import { describe, expect, it } from 'vitest'
import { DEVICE_PRESETS, type DeviceParameters, parseStorage } from '../../src/storage/device.ts'

const HOST: DeviceParameters = {
  latencyNs: 20_000,
  latencyP99Ns: 50_000,
  bandwidthBytesPerS: 1e9,
  iopsLimit: 70_000,
  queueDepth: 16,
  cpuPerReadNs: 15_000,
}

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
    ['nvme:p99=1us', 'storage nvme: found p99 1000 ns, expected at least the median, 51000 ns'],
  ])('%s is refused', (text, message) => expect(() => parseStorage(text)).toThrow(message))
})
