/** Storage as it is written on the command line. */
import { describe, expect, it } from 'vitest'
import { DEVICE_PRESETS, type DeviceParameters, gateTimes, parseStorage } from '../../src/storage/device.ts'

const HOST: DeviceParameters = {
  latencyNs: 20_000,
  latencyP99Ns: 50_000,
  bandwidthBytesPerS: 1e9,
  iopsLimit: 70_000,
  queueDepth: 16,
  haltPollNs: 0,
  idleWakeNs: 0,
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
  it.each(DEVICE_PRESETS)('$name is a preset', ({ name, parameters, medium, chunkBytes, cacheWarm = false }) => {
    expect(parseStorage(name)).toEqual({
      name,
      device: parameters,
      cacheWarm,
      ...(medium && { medium }),
      ...(chunkBytes && { chunks: { chunkBytes } }),
    })
    expect(parseStorage(`${name}:cache=warm`).cacheWarm).toBe(true)
    expect(parseStorage(`${name}:cache=cold`).cacheWarm).toBe(false)
  })

  it.each([
    ['hdd:seek=4230us,revolution=4ms', { medium: { fullSeekNs: 230_000 + (4e6 * 15) / 8, revolutionNs: 4e6 } }],
    ['ebs-gp3:baseiops=6000,iopscredit=0', { medium: { baseIops: 6000, iopsCredit: 0, bytesCredit: 12.5 * 2 ** 20 } }],
    [
      'nfs:rtt=2ms,slots=8,rsize=64K',
      { device: { latencyNs: 2e6, latencyP99Ns: 6e6, queueDepth: 8 }, medium: { pieceBytes: 65_536 } },
    ],
    [
      'object-store:ttfb=50ms,streams=4,stream=100M,part=1M',
      { device: { latencyNs: 5e7, queueDepth: 4 }, medium: { streamBytesPerS: 100 * 2 ** 20, partBytes: 2 ** 20 } },
    ],
    [
      'object-store:local=sata-ssd,hits=67%',
      { local: { share: 0.67, device: { iopsLimit: 87_900 } }, chunks: { chunkBytes: 2 ** 21 } },
    ],
    ['nvme:ratio=2.5,decompress=1G', { compression: { ratio: 2.5, decompressBytesPerS: 2 ** 30 } }],
    ['nvme:chunk=1M', { chunks: { chunkBytes: 2 ** 20 } }],
  ])('%s', (text, expected) => expect(parseStorage(text)).toMatchObject(expected))

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
    ['floppy', 'storage: found "floppy", expected one of nvme, virtio-ssd, sata-ssd, '],
    ['nvme:cache=hot', 'storage nvme: option cache: found "hot", expected cold or warm'],
    ['nvme:ratio=0.5', 'storage nvme: option ratio: found "0.5", expected a number from 1 to 1000'],
    ['nvme:ratio=x', 'storage nvme: option ratio: found "x", expected a number from 1 to 1000'],
    ['nvme:chunk=4K', 'storage nvme: option chunk: found 4096, expected from 65536 to 1073741824'],
    ['nvme:rtt=1ms', 'nvme: found option "rtt", expected one of latency, p99, bandwidth, iops, depth, cache'],
    ['nvme:local=sata-ssd', 'storage nvme: found local without chunk, expected both'],
    ['nvme:hits=50%', 'storage nvme: found hits without local, expected both'],
    ['object-store:local=nfs', 'storage object-store: option local: found "nfs", expected the name of a local SSD'],
    ['nvme:p99=1us', 'storage nvme: found p99 1000 ns, expected at least the median, 47900 ns'],
  ])('%s is refused', (text, message) => expect(() => parseStorage(text)).toThrow(message))
})
