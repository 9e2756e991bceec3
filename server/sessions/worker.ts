/**
 * The thread that holds the sessions. Whoever calls sees to it that those of one session come one after the other; long ones
 * of different sessions take turns, step by step.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { LazyRestoreError, sharedReplayBytes } from 'lazyrestore'
import { encode } from '../http/encoding.ts'
import { failureOf } from '../jobs/failure.ts'
import { Sources } from '../jobs/sources.ts'
import type { SessionAnswers, SessionCall, SessionCallName, SessionLimits, SessionReply } from './call.ts'
import { Session } from './session.ts'

const port = parentPort!
const limits = workerData as SessionLimits
const sources = new Sources()
const sessions = new Map<string, Session>()
/** Calls by which sessions come and go. */
const CHANGES = new Set<SessionCallName>(['open', 'fork', 'close'])
let sharedBytes = 0

port.on('message', (call: SessionCall) => void reply(call))

async function reply(call: SessionCall): Promise<void> {
  const { number, session: id, name, encoding } = call
  try {
    const answer = await carryOut(call)
    if (CHANGES.has(name)) sharedBytes = sharedReplayBytes([...sessions.values()].map(({ layout }) => layout))
    const size = sessions.get(id)?.size ?? null
    if (encoding === null) return port.postMessage({ number, answer, size, sharedBytes } satisfies SessionReply)
    const bytes = encode(answer, encoding)
    port.postMessage({ number, answer: bytes, size, sharedBytes } satisfies SessionReply, [bytes.buffer])
  } catch (error) {
    port.postMessage({ number, failure: failureOf(error) } satisfies SessionReply)
  }
}

async function carryOut(call: SessionCall): Promise<SessionAnswers[SessionCallName]> {
  const { session: id, name } = call
  if (name === 'open') {
    const { spec, log } = call.arguments as SessionCall<'open'>['arguments']
    sessions.set(id, await Session.open(spec, log, sources, limits))
    return null
  }
  if (name === 'fork') {
    const { spec, of } = call.arguments as SessionCall<'fork'>['arguments']
    sessions.set(id, await sessionOf(of).fork(spec))
    return null
  }
  const session = sessionOf(id)
  switch (name) {
    case 'faults': {
      const { batch, form } = call.arguments as SessionCall<'faults'>['arguments']
      return session.faults(batch, form, limits.sessionAccesses)
    }
    case 'end': {
      const { vcpu, form } = call.arguments as SessionCall<'end'>['arguments']
      return session.end(vcpu, form)
    }
    case 'replay': {
      const { workload, sent } = call.arguments as SessionCall<'replay'>['arguments']
      return session.replayPart(await session.workload(workload, limits), sent, limits.sessionAccesses)
    }
    case 'state':
      return session.state()
    case 'result':
      return session.result()
    case 'log':
      return session.log()
    case 'close':
      sessions.delete(id)
      return null
  }
}

function sessionOf(id: string): Session {
  const session = sessions.get(id)
  if (session === undefined) throw new LazyRestoreError('usage', 'session: found none of this id')
  return session
}
