/**
 * The Perfetto trace, decoded by the numbers of the public protos: trace.proto (packet = 1), trace_packet.proto (timestamp = 8,
 * track_event = 11, track_descriptor = 60), track_descriptor.proto, track_event.proto (type = 9, track_uuid = 11, name = 23,
 * counter_value = 30, flow_ids = 47, terminating_flow_ids = 48, debug_annotations = 4).
 */
import { describe, expect, it } from 'vitest'
import type { RestoreResult } from '../../src/engine/result.ts'
import { renderPerfetto, type TracedRestore } from '../../src/report/perfetto.ts'
import { Message } from './decode-protobuf.ts'
import { simulateAll } from './simulated.ts'

interface Slice {
  readonly name: string
  readonly fromNs: number
  readonly toNs: number
  readonly notes: Readonly<Record<string, number | string | null>>
  readonly flows: readonly number[]
  readonly endFlows: readonly number[]
}

interface Track {
  readonly name: string
  /** Of the process that it is of, by the track tree or the thread's pid. */
  readonly process: string
  readonly slices: Slice[]
  readonly counts: [atNs: number, value: number][]
}

/** As a viewer reads it: packets sorted by time, stable; the end of a slice closes the one that is open on its track. */
function readTrace(bytes: Uint8Array): Track[] {
  const packets = new Message(bytes).messages(1)
  expect(packets[0].number(13)).toBe(1)
  expect(packets.every(packet => packet.number(10) === 1)).toBe(true)
  const tracks = new Map<number, Track>()
  const processes = new Map<number, string>()
  const byPid = new Map<number, string>()
  for (const [descriptor] of packets.map(packet => packet.messages(60)).filter(found => found.length > 0)) {
    const uuid = descriptor.number(1)!
    expect(tracks.has(uuid) || processes.has(uuid)).toBe(false)
    const [process] = descriptor.messages(3)
    const [thread] = descriptor.messages(4)
    if (process !== undefined) {
      processes.set(uuid, process.text(6)!)
      byPid.set(process.number(1)!, process.text(6)!)
    } else {
      const owner = thread === undefined ? processes.get(descriptor.number(5)!)! : byPid.get(thread.number(1)!)!
      const name = thread === undefined ? descriptor.text(2)! : thread.text(5)!
      tracks.set(uuid, { name, process: owner, slices: [], counts: [] })
    }
  }
  const events = packets
    .filter(packet => packet.messages(11).length > 0)
    .map(packet => ({ atNs: packet.number(8)!, event: packet.messages(11)[0] }))
    .sort((a, b) => a.atNs - b.atNs)
  const open = new Map<number, Slice>()
  for (const { atNs, event } of events) {
    const uuid = event.number(11)!
    const track = tracks.get(uuid)!
    if (event.number(9) === 4) track.counts.push([atNs, event.number(30)!])
    else if (event.number(9) === 1) {
      expect(open.has(uuid), `${track.name} has no slice open at ${atNs}`).toBe(false)
      const notes = event.messages(4).map(note => [note.text(10)!, note.number(3) ?? note.text(6)])
      const flows = event.all(47) as number[]
      open.set(uuid, {
        name: event.text(23)!,
        fromNs: atNs,
        toNs: 0,
        notes: Object.fromEntries(notes),
        flows,
        endFlows: [],
      })
    } else {
      expect(event.number(9)).toBe(2)
      track.slices.push({ ...open.get(uuid)!, toNs: atNs, endFlows: event.all(48) as number[] })
      open.delete(uuid)
    }
  }
  expect(open.size).toBe(0)
  return [...tracks.values()]
}

async function traced(policies: string, workload: string): Promise<{ restores: TracedRestore[]; tracks: Track[] }> {
  const restores: TracedRestore[] = []
  await simulateAll(policies, workload, (timeline, result) => restores.push({ result, timeline }))
  return { restores, tracks: readTrace(Buffer.concat([...renderPerfetto(restores)])) }
}

const named = (tracks: readonly Track[], name: RegExp): Track[] => tracks.filter(track => name.test(track.name))
const slicesOf = (tracks: readonly Track[], name: RegExp, slice: RegExp): Slice[] =>
  named(tracks, name).flatMap(({ slices }) => slices.filter(one => slice.test(one.name)))
const sum = (values: readonly (number | string | null)[]): number =>
  values.reduce<number>((all, value) => all + Number(value), 0)

describe('the Perfetto trace of simulated restores', () => {
  it('has the counts of the records, and a flow from each fault to the install that ends it', async () => {
    const policies = 'lazy,lazy-sweep:rate=100MiB,working-set,eager-multi,read-around:handlers=2'
    const { restores, tracks } = await traced(policies, 'working-set:share=20%,vcpus=3')
    expect(restores).toHaveLength(5)
    for (const { result } of restores) {
      const own = tracks.filter(({ process }) => process === `${result.policy}, ${result.workload.name}, nvme (sim)`)
      const faults = slicesOf(own, /^vCPU/, /^fault$/)
      expect(named(own, /^vCPU/)).toHaveLength(3)
      expect(faults).toHaveLength(result.faults)
      const latency = sum(faults.map(({ fromNs, toNs }) => toNs - fromNs))
      expect(Math.abs(latency - result.faults * (result.faultLatencyNs?.mean ?? 0))).toBeLessThan(faults.length + 1)
      const pages = (name: RegExp): number => sum(slicesOf(own, /handler|worker/, name).map(({ notes }) => notes.pages))
      expect([pages(/^COPY$/), pages(/^ZEROPAGE$/)]).toEqual([result.copies, result.zeropages])
      const reads = slicesOf(own, /^device request/, /^read$/)
      expect(sum(reads.map(({ notes }) => notes.bytes))).toBe(result.deviceBytesRead)
      expect(own.find(({ name }) => name === 'resident memory')!.counts).toHaveLength(result.residency.length)
      const depth = own.find(({ name }) => name === 'requests at the device')!.counts
      expect(depth.at(-1)![1]).toBe(0)
      expect(depth.every(([, value]) => value >= 0)).toBe(true)
      checkFlows(faults, slicesOf(own, /handler|worker/, /COPY|ZEROPAGE/), result)
    }
  })

  it('shows faults on a file mapping as waits for the device', async () => {
    const { restores, tracks } = await traced('mmap', 'working-set:share=10%')
    const faults = slicesOf(tracks, /^vCPU/, /^fault$/)
    expect(faults).toHaveLength(restores[0].result.faults)
    expect(sum(slicesOf(tracks, /^device/, /^read$/).map(({ notes }) => notes.bytes))).toBe(
      restores[0].result.deviceBytesRead,
    )
  })

  it('changes nothing of what it records', async () => {
    const workload = 'zipf:accesses=3000,vcpus=2'
    const { restores } = await traced('lazy,lazy-sweep,mmap', workload)
    expect(restores.map(({ result }) => result)).toEqual(await simulateAll('lazy,lazy-sweep,mmap', workload))
  })

  it('has the phases alone for restores that were not recorded', async () => {
    const results = await simulateAll('lazy,eager', 'working-set')
    const tracks = readTrace(Buffer.concat([...renderPerfetto(results)]))
    expect(slicesOf(tracks, /^phases$/, /./).map(({ name }) => name)).toEqual([
      'until vCPUs run',
      'workload',
      'until vCPUs run',
      'workload',
    ])
    expect(slicesOf(tracks, /until all/, /fills/)).toHaveLength(1)
  })
})

/** Every fault that waited for an install has one flow, which ends in an install of its page, not before the fault began. */
function checkFlows(faults: readonly Slice[], installs: readonly Slice[], { faults: count }: RestoreResult): void {
  const byFlow = new Map(installs.flatMap(install => install.endFlows.map(flow => [flow, install] as const)))
  expect(byFlow.size).toBe(count)
  for (const { flows, notes, fromNs, toNs } of faults) {
    expect(flows).toHaveLength(1)
    const install = byFlow.get(flows[0])!
    const first = Number(install.notes['first page'])
    expect(Number(notes.page) >= first && Number(notes.page) < first + Number(install.notes.pages)).toBe(true)
    expect(install.toNs >= fromNs && install.toNs <= toNs).toBe(true)
  }
}
