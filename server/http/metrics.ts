/** Prometheus metrics: requests by route, and what the services are doing. */
import type { FastifyInstance } from 'fastify'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Seconds. A batch of a session takes well below 10 ms, an upload may take minutes. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60]

/** A value that is asked for when somebody reads the metrics. */
export interface MetricSource {
  readonly name: string
  readonly help: string
  readonly value: () => number
}

export class Metrics {
  readonly #registry = new Registry()

  /** @param counters values that only grow */
  constructor(gauges: readonly MetricSource[], counters: readonly MetricSource[]) {
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    for (const { name, help, value } of gauges) {
      const gauge: Gauge = new Gauge({ name, help, registers, collect: () => gauge.set(value()) })
    }
    for (const { name, help, value } of counters) {
      const collect = (): void => {
        counter.reset()
        counter.inc(value())
      }
      const counter: Counter = new Counter({ name, help, registers, collect })
    }
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  render(): Promise<string> {
    return this.#registry.metrics()
  }

  observe(app: FastifyInstance): void {
    const seconds = new Histogram({
      name: 'lazyrestore_http_request_seconds',
      help: 'Time from a request to the end of its answer',
      labelNames: ['method', 'route', 'status'],
      buckets: BUCKETS,
      registers: [this.#registry],
    })
    app.addHook('onResponse', async (request, reply) => {
      const route = request.routeOptions.url ?? 'none'
      seconds.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000)
    })
  }
}
