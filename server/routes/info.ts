/** What the server is: /health, /metrics, and what requests may be made of. */
import { DEVICE_PRESETS, HOST_PAGE_SIZES, POLICIES, VERSION, WORKLOADS } from 'lazyrestore'
import type { App } from '../app.ts'
import type { Metrics } from '../http/metrics.ts'
import { Choices, Health } from '../schemas/server-info.ts'
import type { Services } from '../services.ts'
import { ok } from './answers.ts'

const tags = ['server']

export function addInfoRoutes(app: App, services: Services, metrics: Metrics): void {
  app.get(
    '/health',
    { config: { open: true }, schema: { tags, summary: 'Whether it is there', response: { 200: Health } } },
    async () => ({ status: 'ok' as const, version: VERSION, uptimeS: process.uptime() }),
  )
  app.get(
    '/metrics',
    { schema: { tags, summary: 'Metrics for Prometheus', produces: ['text/plain'] } },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.render()),
  )
  app.get(
    '/v1/choices',
    { schema: { tags, summary: 'Policies, workloads, devices, engines, and limits', response: ok(Choices) } },
    async () => choicesOf(services),
  )
}

async function choicesOf({ pool, limits }: Services): Promise<Choices> {
  const { batchFaults, sessions, sessionAccesses, queuedCells, experimentCells, traceBytes, snapshotPages, bodyBytes } =
    limits
  return {
    policies: POLICIES.map(describe),
    workloads: WORKLOADS.map(describe),
    storages: [
      ...DEVICE_PRESETS.map(({ name, summary }) => ({ name, summary })),
      { name: 'host', summary: "the profile's device; the only one of real engines" },
    ],
    hostPageSizes: HOST_PAGE_SIZES.map(writeBytes),
    engines: await pool.run<'engines'>({ kind: 'engines' }),
    limits: {
      batchFaults,
      sessions,
      sessionAccesses,
      queuedCells,
      experimentCells,
      traceBytes,
      snapshotPages,
      bodyBytes,
    },
  }
}

interface Definition {
  readonly name: string
  readonly summary: string
  readonly options: Readonly<Record<string, { kind: string; initial: string | number | boolean; help: string }>>
}

function describe({ name, summary, options }: Definition): Choices['policies'][number] {
  const described = Object.entries(options).map(([key, { kind, initial, help }]) => ({
    name: key,
    kind,
    initial,
    help,
  }))
  return { name, summary, options: described }
}

/** As it is written in a layout: 4K, 2M. */
function writeBytes(bytes: number): string {
  const power = Math.floor(Math.log2(bytes) / 10)
  return `${bytes / 2 ** (10 * power)}${['', 'K', 'M', 'G'][power]}`
}
