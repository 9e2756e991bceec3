/**
 * Runs an experiment in a data directory until it is killed: starts it, or goes on with it. Prints a line a cell that has
 * ended, at once, and one when all have. The built services without HTTP, so that a start takes a fraction of a second.
 */
import { writeSync } from 'node:fs'
import { DEFAULT_LIMITS } from '../../dist/server/limits.js'
import { openServices } from '../../dist/server/services.js'

const [dataDirectory, request] = process.argv.slice(2)
const { experiments } = await openServices({ dataDirectory, snapshotRoots: [], limits: DEFAULT_LIMITS, cellThreads: 1 })
const [known] = experiments.list({ limit: 1 }).items
const { id } = known === undefined ? await experiments.create(JSON.parse(request)) : await experiments.resume(known.id)
experiments.feed.watch(id, ({ event, data }) => {
  if (event === 'cell') writeSync(1, `${data.index}\n`)
  else if (data.state === 'done') writeSync(1, 'done\n')
})
