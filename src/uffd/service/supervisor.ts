/**
 * The process that outlives a handler's death. A VMM keeps a duplicate of its userfaultfd, so the kernel lets nobody go when
 * the handler dies: the guest would wait for ever, and nothing would say so. The supervisor accepts the connections, holds each
 * VMM's pidfd from before the handler hears of it until the handler says that it is not needed any more, and kills those that
 * it still holds when the handler ends in any way.
 *
 * It does nothing else, so that there is little that can end it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { libc } from '../native.ts'
import { connectedPair } from '../unix-socket.ts'
import { Acceptor } from './acceptor.ts'
import { ACCEPTED, ControlChannel, READY, RELEASED } from './control-channel.ts'
import { Peer } from './peer.ts'
import { Poller } from './poller.ts'

/** The descriptor at which the handler finds its end of the channel. */
export const CONTROL_DESCRIPTOR = 3
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGUSR2'] as const

export interface SupervisorOptions {
  readonly socketPath: string
  /** What starts the handler: program and parameters. */
  readonly command: readonly [string, ...string[]]
  readonly onFailure: 'kill' | 'leave'
  readonly onListening: () => void
  readonly onNote: (note: string) => void
}

/**
 * Runs until the handler has ended; SIGINT and SIGTERM are passed on to it.
 * @returns the exit code: the handler's, or 1 when it did not end by itself
 * @throws LazyRestoreError `io` when nobody can listen at the path
 */
export async function supervise(options: SupervisorOptions): Promise<number> {
  const { socketPath, command, onListening, onNote } = options
  const poller = new Poller()
  const held = new Map<number, Peer>()
  const [own, childs] = connectedPair()
  const child = startHandler(command, childs)
  libc().close(childs)
  const exited = exitOf(child)
  let acceptor: Acceptor | null = null
  let failure: unknown = null
  let isStopping = false
  const channel = new ControlChannel(
    own,
    poller,
    ({ kind, connection }) => {
      if (kind === RELEASED) {
        held.get(connection)?.close()
        held.delete(connection)
      } else if (kind === READY && !isStopping) {
        try {
          acceptor = new Acceptor(socketPath, poller, passOn, onNote)
          onListening()
        } catch (error) {
          failure = error
          child.kill('SIGTERM')
        }
      }
    },
    () => {},
  )
  let last = 0
  const passOn = (connection: number): void => {
    try {
      const id = ++last
      held.set(id, new Peer(connection))
      channel.send(ACCEPTED, id, connection)
    } catch (error) {
      onNote(`connection: ${(error as Error).message}`)
    } finally {
      libc().close(connection)
    }
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    if (signal !== 'SIGUSR2') {
      isStopping = true
      acceptor?.close()
    }
    child.kill(signal === 'SIGUSR2' ? signal : 'SIGTERM')
  }
  for (const signal of FORWARDED) process.on(signal, onSignal)
  try {
    const how = await exited
    // Its last words.
    channel.receive()
    if (failure !== null) throw failure
    // Before anything is said: nothing may come between.
    const notes = endHeld(held, options)
    if (how.code === null || held.size > 0) onNote(`the handler ended (${how.signal ?? `exit code ${how.code}`})`)
    for (const note of notes) onNote(note)
    return how.code === 0 && held.size > 0 ? 1 : (how.code ?? 1)
  } finally {
    for (const signal of FORWARDED) process.off(signal, onSignal)
    ;(acceptor as Acceptor | null)?.close()
    channel.close()
    for (const peer of held.values()) peer.close()
    await poller.close()
  }
}

/** In a session of its own: a terminal's Ctrl-C comes here, and is passed on once. */
function startHandler([program, ...parameters]: readonly [string, ...string[]], control: number): ChildProcess {
  return spawn(program, parameters, { stdio: ['ignore', 'inherit', 'inherit', control], detached: true })
}

async function exitOf(child: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  const [code, signal] = await once(child, 'exit')
  return { code, signal }
}

/** Nobody serves these any more. Returns what became of each, in one line. */
function endHeld(held: ReadonlyMap<number, Peer>, { onFailure }: SupervisorOptions): string[] {
  return [...held.values()].map(peer => {
    const what = `process ${peer.pid}: nobody serves its memory any more`
    if (onFailure === 'leave') return `${what}; the VMM is left`
    const refusal = peer.kill()
    return refusal === null ? `${what}; the VMM is killed` : `${what}, and the VMM cannot be killed: ${refusal}`
  })
}
