/** Progress of an experiment as server-sent events: its record as it is, each cell that ends, and its record when it has ended. */
import type { App } from '../app.ts'
import { experimentHasEnded } from '../experiments/records.ts'
import { IdParams } from '../schemas/common.ts'
import { ExperimentEvent } from '../schemas/events.ts'
import type { Services } from '../services.ts'

export function addExperimentEvents(app: App, { experiments, streams }: Services): void {
  app.get(
    '/v1/experiments/:id/events',
    {
      schema: {
        tags: ['experiments'],
        summary: 'Its progress as server-sent events, until it has ended',
        params: IdParams,
        produces: ['text/event-stream'],
        response: { 200: ExperimentEvent },
      },
    },
    async ({ params: { id } }, reply) => {
      const record = experiments.get(id)
      let unwatch = (): void => {}
      const stream = streams.start(reply, () => unwatch())
      stream.send('experiment', record)
      if (experimentHasEnded(record)) {
        stream.end()
        return
      }
      unwatch = experiments.feed.watch(id, ({ event, data }) => {
        stream.send(event, data)
        if (event === 'experiment' && experimentHasEnded(data)) stream.end()
      })
    },
  )
}
