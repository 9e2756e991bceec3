/** The entry of a job process. It ends with the server, however that one ended. */
import type { Job } from './job.ts'
import { runJob } from './worker.ts'

process.on('message', async (job: Job) => {
  process.send!(await runJob(job))
})
process.on('disconnect', () => process.exit())
