/** The record of a restore over HTTP: the library's RestoreResult, key for key. */
import type { RestoreResult } from 'lazyrestore'
import Type from 'typebox'
import { Ns, nullable, oneOf, strict } from './common.ts'

const Count = Type.Integer({ minimum: 0 })

const FaultLatency = strict({ mean: Ns, p50: Ns, p90: Ns, p99: Ns, p999: Ns, max: Ns })

const Fields = strict(
  {
    policy: Type.String(),
    engine: oneOf(['sim', 'uffd', 'kvm', 'qemu']),
    seed: Count,
    snapshot: strict({ name: Type.String(), identity: Type.String(), bytes: Count }),
    workload: strict({ name: Type.String(), accesses: Count, vcpus: Count }),
    storage: Type.String(),
    layout: Type.String(),
    fixedNs: Ns,
    resumeNs: Ns,
    firstAccessNs: nullable(Ns),
    workDoneNs: Ns,
    residentNs: nullable(Ns),
    stallNs: strict({ total: Ns, perVcpu: Type.Array(Ns) }),
    faults: Count,
    minorFaults: Count,
    copies: Count,
    zeropages: Count,
    zeroCopies: Count,
    eexist: Count,
    eagain: Count,
    errors: Count,
    faultLatencyNs: nullable(FaultLatency),
    blocktimeDist: Type.Array(Count),
    latencyCdf: Type.Array(Type.Tuple([Ns, Type.Number()])),
    bytesRead: Count,
    deviceBytesRead: Count,
    bytesInstalled: Count,
    bytesTouched: Count,
    readAmplification: nullable(Type.Number()),
    prefetchAccuracy: nullable(Type.Number()),
    prefetchCoverage: nullable(Type.Number()),
    residency: Type.Array(strict({ timeNs: Ns, bytes: Count })),
    slowdown: nullable(Type.Number()),
  },
  'The record of one restore; docs/api.md says what each key means',
)

export const RestoreRecord = Type.Unsafe<RestoreResult>(Fields)
export type RestoreRecord = RestoreResult
