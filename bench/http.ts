/**
 * The server over loopback, by a client that only sends what was made before and counts what comes back: faults a second on
 * one core, memory of many sessions, and how long a batch takes while an experiment runs. Each measure takes at most 10 s.
 */
import { Agent, request } from 'node:http'
import { Packr, unpack } from 'msgpackr'
import { openSynthetic } from '../src/snapshot/synthetic.ts'
import { memoryOfSnapshot } from '../src/workload/memory.ts'
import { createWorkload } from '../src/workload/registry.ts'
import { type Bench, type BenchRecord, recordOf } from './record.ts'
import { ServerProcess } from './server-process.ts'

const SEED = 1
const SNAPSHOT = `synthetic:4GiB,seed=${SEED}`
const MSGPACK = 'application/msgpack'
const ROUNDS = 5
/** Accesses of a session: each a fault on another page. */
const FAULTS = 300_000
/** Requests under way at a time, each on a session and a connection of its own. */
const LANES = 2
const SESSIONS = 1000
const BATCH = 256
/** Batches of a session whose latency is measured; then comes another session. */
const LATENCY_BATCHES = 1000
const LIMIT_MS = 8000
const EXPERIMENT = { snapshot: 'synthetic:1GiB', workloads: ['uniform:accesses=200000'], repetitions: 100 }

export const http: Bench = {
  name: 'http',
  summary:
    'the server over loopback: faults a second on one core, memory of 1,000 sessions, latency beside an experiment',
  run: async function* () {
    yield* faultsPerSecond()
    yield* memoryOfSessions()
    yield* latencyBesideExperiment()
  },
}

const packr = new Packr({ useRecords: false, moreTypes: true })

interface Form {
  readonly name: string
  readonly length: number
  /** Of a session. */
  readonly faults: number
  readonly body: (page: Uint32Array, thinkNs: Uint32Array) => object
}

const COLUMNS: Form = {
  name: 'columns',
  length: BATCH,
  faults: FAULTS,
  body: (page, thinkNs) => ({ page, thinkNs }),
}
const LISTS: Form = {
  name: 'lists',
  length: BATCH,
  faults: FAULTS / 5,
  body: (page, thinkNs) => ({ faults: Array.from(page, (each, i) => ({ page: each, thinkNs: thinkNs[i] })) }),
}
const FORMS = [{ ...COLUMNS, length: 4096 }, COLUMNS, LISTS]

/** Bodies that fault on as many different pages, each once. */
function bodies({ length, body }: Form, faults: number): Buffer[] {
  const memory = memoryOfSnapshot(openSynthetic(SNAPSHOT))
  const { page, thinkNs } = createWorkload(`working-set:pages=${faults},reuse=0,run=1`, memory, SEED)
  return Array.from({ length: Math.ceil(faults / length) }, (_, i) => {
    const [from, to] = [i * length, (i + 1) * length]
    return Buffer.from(packr.pack(body(page.slice(from, to), thinkNs.slice(from, to))))
  })
}

/** A session and a connection of its own. */
class Lane {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #server: ServerProcess
  readonly #session: string
  readonly #url: string

  constructor(server: ServerProcess, session: string) {
    this.#server = server
    this.#session = session
    this.#url = `${server.url}/v1/sessions/${session}/faults`
  }

  send(body: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': MSGPACK, accept: MSGPACK, 'content-length': body.length }
      const sent = request(this.#url, { method: 'POST', agent: this.#agent, headers }, response => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('error', reject)
        response.on('end', () => {
          const answer = Buffer.concat(parts)
          if (response.statusCode === 200) resolve(answer)
          else reject(new Error(`found status ${response.statusCode}, expected 200: ${JSON.stringify(unpack(answer))}`))
        })
      })
      sent.on('error', reject)
      sent.end(body)
    })
  }

  /** The session goes as well. */
  async close(): Promise<void> {
    this.disconnect()
    await this.#server.client.sessions.delete(this.#session)
  }

  disconnect(): void {
    this.#agent.destroy()
  }
}

async function openLane(server: ServerProcess): Promise<Lane> {
  const { id } = await server.client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy', seed: SEED })
  return new Lane(server, id)
}

async function* faultsPerSecond(): AsyncGenerator<BenchRecord> {
  const server = await ServerProcess.start({ onOneCore: true })
  const where = server.pinned ? 'server on one core' : 'server not pinned'
  try {
    for (const form of FORMS) {
      const all = bodies(form, form.faults)
      const faults = LANES * form.faults
      const perSecond: number[] = []
      const perCpuSecond: number[] = []
      const end = performance.now() + LIMIT_MS
      // The first round compiles.
      for (let round = 0; round <= ROUNDS && (round < 2 || performance.now() < end); round++) {
        const lanes = await Promise.all(Array.from({ length: LANES }, () => openLane(server)))
        const cpu = server.cpuSeconds
        const start = performance.now()
        const answers = await Promise.all(lanes.map(lane => sendAll(lane, all)))
        const seconds = (performance.now() - start) / 1000
        const cpuSeconds = server.cpuSeconds - cpu
        for (const answer of answers) checkAnswered(answer, form.faults)
        for (const lane of lanes) await lane.close()
        if (round === 0) continue
        perSecond.push(faults / seconds)
        perCpuSecond.push(faults / cpuSeconds)
      }
      const name = `${form.name} of ${form.length}, MessagePack`
      yield recordOf(`${name}, ${where}`, 'faults/s', perSecond, { seed: SEED })
      yield recordOf(`${name}, by the server's CPU time`, 'faults/CPU s', perCpuSecond, { seed: SEED })
    }
  } finally {
    await server.stop()
  }
}

/** One request after the other; the last answer. */
async function sendAll(lane: Lane, all: readonly Buffer[]): Promise<Buffer> {
  let answer: Buffer = Buffer.alloc(0)
  for (const body of all) answer = await lane.send(body)
  return answer
}

/** The last access of so many has been answered, and was a fault. */
function checkAnswered(bytes: Buffer, accesses: number): void {
  const answer = unpack(bytes) as { access?: Float64Array; resolutions?: { access: number; latencyNs: number }[] }
  const last = answer.resolutions?.at(-1)?.access ?? answer.access?.at(-1)
  if (last !== accesses - 1) throw new Error(`found access ${last} answered last, expected ${accesses - 1}`)
}

async function* memoryOfSessions(): AsyncGenerator<BenchRecord> {
  const server = await ServerProcess.start({ onOneCore: false })
  try {
    const [body] = bodies(COLUMNS, BATCH)
    const first = await openLane(server)
    await first.send(body)
    first.disconnect()
    const before = server.residentBytes
    for (let session = 1; session < SESSIONS; session++) {
      const lane = await openLane(server)
      await lane.send(body)
      lane.disconnect()
    }
    const { residentBytes } = server
    const { items } = await server.client.sessions.list({ limit: SESSIONS })
    const open = items.filter(({ state }) => state === 'open')
    if (open.length !== SESSIONS) throw new Error(`found ${open.length} sessions open, expected ${SESSIONS}`)
    const yardstick = { name: 'what they say', values: [open.reduce((sum, { bytes }) => sum + bytes, 0) / SESSIONS] }
    yield recordOf(`resident memory of the server, ${SESSIONS} sessions of 4 GiB`, 'bytes', [residentBytes])
    yield recordOf('of it, a session', 'bytes', [(residentBytes - before) / (SESSIONS - 1)], { yardstick })
  } finally {
    await server.stop()
  }
}

async function* latencyBesideExperiment(): AsyncGenerator<BenchRecord> {
  const server = await ServerProcess.start({ onOneCore: false })
  try {
    const all = bodies(COLUMNS, LATENCY_BATCHES * BATCH)
    const { id } = await server.client.experiments.create(EXPERIMENT)
    for await (const { event } of server.client.experiments.events(id)) if (event === 'cell') break
    const times: number[] = []
    for (const end = performance.now() + LIMIT_MS; performance.now() < end; ) {
      const lane = await openLane(server)
      for (const body of all) {
        const start = performance.now()
        await lane.send(body)
        times.push(performance.now() - start)
        if (start > end) break
      }
      await lane.close()
    }
    const { state, done } = await server.client.experiments.get(id)
    if (state !== 'running') throw new Error(`found the experiment ${state} after ${done} cells, expected running`)
    times.sort((a, b) => a - b)
    const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(share * times.length))]
    const name = `a batch of ${BATCH} beside an experiment, of ${times.length}`
    yield recordOf(`${name}: median`, 'ms', [at(0.5)], { seed: SEED })
    yield recordOf(`${name}: p99`, 'ms', [at(0.99)], { seed: SEED })
    yield recordOf(`${name}: longest`, 'ms', [times[times.length - 1]], { seed: SEED })
  } finally {
    await server.stop()
  }
}
