/** The process that serves: its options made into a service, and the service's life between the first connection and the last. */
import { extname } from 'node:path'
import { LazyRestoreError } from '../core/error.ts'
import { parseSpec } from '../core/spec-string.ts'
import { parseCount, parseDurationNs } from '../core/units.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { Acceptor } from '../uffd/service/acceptor.ts'
import { ACCEPTED, ControlChannel, READY, RELEASED } from '../uffd/service/control-channel.ts'
import { Poller } from '../uffd/service/poller.ts'
import { UffdService } from '../uffd/service/service.ts'
import type { GivenWorkingSet } from '../uffd/service/vm-working-set.ts'
import type { RecordedFaults } from '../workload/fault-trace.ts'
import { refuseOverwrite } from './output-files.ts'
import { openForRestore } from './snapshot-options.ts'
import type { UffdHandlerOptions } from './uffd-handler-command.ts'

export async function runUffdService(options: UffdHandlerOptions): Promise<void> {
  const { socket, policy, block = null, onFailure, maxVms, handshakeLimit, drainLimit, record } = options
  const drainLimitMs = parseDurationNs(drainLimit, '--drain-limit') / 1e6
  const snapshot = await openForRestore(options.snapshot, options)
  const workingSet = options.workingSet === undefined ? null : await openWorkingSet(options.workingSet, snapshot)
  const poller = new Poller()
  const stop = new StopSignals()
  let connections: Connections | null = null
  try {
    await refuseOverwrite(record, [options.workingSet, snapshot], '--record')
    const service = new UffdService({
      snapshot,
      block,
      policy: parseSpec(policy ?? (workingSet === null ? 'adaptive' : 'working-set')),
      workingSet,
      onFailure,
      maxVms: parseCount(maxVms, '--max-vms'),
      readyVms: parseCount(options.readyVms, '--ready-vms'),
      handshakeLimitMs: parseDurationNs(handshakeLimit, '--handshake-limit') / 1e6,
      poller,
      onReport: report => print('vm', report),
      onRefusal: refusal => {
        note(`process ${refusal.pid}: refused${refusal.killed ? ' and killed' : ''}: ${refusal.reason}`)
        print('refused', refusal)
      },
      onNote: note,
      ...(record === undefined ? {} : { onFaults: (vm, faults) => writeRecording(record, vm, snapshot, faults) }),
    })
    process.on('SIGUSR2', () => print('status', { vms: service.vms }))
    connections = connectionsOf(options, service, poller, stop)
    await stop.first
    connections.stop()
    const abandon = (reason: string): void => {
      process.exitCode = 1
      service.abandon(reason)
    }
    const limit = setTimeout(() => abandon(`not complete within ${drainLimit} (--drain-limit)`), drainLimitMs)
    void stop.second.then(() => abandon('the handler was told twice to stop'))
    await service.drain()
    clearTimeout(limit)
    await service.close()
  } finally {
    connections?.close()
    stop.close()
    await poller.close()
    if (workingSet?.kind === 'file') await workingSet.file.close()
    await snapshot.close()
  }

  function connectionsOf(
    { controlDescriptor }: UffdHandlerOptions,
    service: UffdService,
    poller: Poller,
    stop: StopSignals,
  ): Connections {
    if (controlDescriptor !== undefined) {
      return supervisedConnections(parseCount(controlDescriptor, '--control-descriptor'), service, poller, stop)
    }
    const acceptor = new Acceptor(socket, poller, connection => service.accept(connection), note)
    print('listening', { socket })
    return { stop: () => acceptor.close(), close: () => acceptor.close() }
  }
}

/** Where VMs come from. */
interface Connections {
  /** No more of them. */
  stop(): void
  close(): void
}

function supervisedConnections(
  descriptor: number,
  service: UffdService,
  poller: Poller,
  stop: StopSignals,
): Connections {
  const channel: ControlChannel = new ControlChannel(
    descriptor,
    poller,
    ({ kind, connection, descriptor }) => {
      if (kind !== ACCEPTED || descriptor === null) return
      service.accept(descriptor, () => {
        try {
          channel.send(RELEASED, connection)
        } catch {
          // A supervisor that is gone need not know.
        }
      })
    },
    () => {
      note('the supervisor is gone: no VM is taken any more, those there are get all their memory')
      stop.request()
    },
  )
  channel.send(READY, 0)
  // The supervisor passes on what it has accepted before it says that we are to stop.
  return { stop: () => void channel.receive(), close: () => channel.close() }
}

/** A service manager may signal supervisor and handler both, and the supervisor passes its signal on: that is one request. */
const SAME_REQUEST_MS = 1000

/** Two requests to stop: to give all VMs their memory first, and not to. */
class StopSignals {
  readonly first: Promise<void>
  readonly second: Promise<void>
  #requests: (() => void)[] = []
  #lastMs = Number.NEGATIVE_INFINITY
  readonly request = (): void => {
    const nowMs = performance.now()
    if (nowMs - this.#lastMs > SAME_REQUEST_MS) this.#requests.shift()?.()
    this.#lastMs = nowMs
  }

  constructor() {
    this.first = new Promise(resolve => this.#requests.push(resolve))
    this.second = new Promise(resolve => this.#requests.push(resolve))
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, this.request)
  }

  close(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.off(signal, this.request)
  }
}

function print(event: string, fields: object): void {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`)
}

function note(text: string): void {
  process.stderr.write(`lazyrestore: ${text}\n`)
}

/** A working-set file, or a recording that is one. */
async function openWorkingSet(path: string, snapshot: Snapshot): Promise<GivenWorkingSet> {
  const { openFile } = await import('../snapshot/file-source.ts')
  const { checkWorkingSetIsOf, isWorkingSet, readWorkingSet } = await import('../working-set/open.ts')
  const source = await openFile(path, 'a working-set file or a trace')
  try {
    if (await isWorkingSet(source)) {
      const file = await readWorkingSet(source, () => source.close())
      checkWorkingSetIsOf(file, snapshot)
      return { kind: 'file', file }
    }
    const { decodeTrace } = await import('../workload/trace-file.ts')
    const { checkWorkloadFits } = await import('../workload/check.ts')
    const { memoryOfSnapshot } = await import('../workload/memory.ts')
    const recording = await decodeTrace(source)
    checkWorkloadFits(recording, { name: snapshot.name, identity: snapshot.identity, ...memoryOfSnapshot(snapshot) })
    await source.close()
    return { kind: 'recording', recording, name: path }
  } catch (error) {
    await source.close()
    throw error
  }
}

/** `run.lrtrace` for the first VM, `run-2.lrtrace` for the second. */
async function writeRecording(file: string, vm: number, snapshot: Snapshot, faults: RecordedFaults): Promise<void> {
  const { writeTrace } = await import('../workload/trace-file.ts')
  const { faultTrace } = await import('../workload/fault-trace.ts')
  const { memoryOfSnapshot } = await import('../workload/memory.ts')
  const extension = extname(file)
  const path = vm === 1 ? file : `${file.slice(0, file.length - extension.length)}-${vm}${extension}`
  try {
    await writeTrace(path, faultTrace(faults, memoryOfSnapshot(snapshot), `pages that VM ${vm} asked for`, null))
  } catch (error) {
    if (!(error instanceof LazyRestoreError)) throw error
    note(error.message)
  }
}
