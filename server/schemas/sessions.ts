/** Fault-replay sessions: one restore in virtual time, driven by the caller access by access. */
import Type, { type Static } from 'typebox'
import { f64, Id, Ns, nullable, oneOf, Seed, SpecText, strict, u8, u32 } from './common.ts'
import { Profile } from './profile.ts'

export const SnapshotName = Type.String({
  minLength: 1,
  maxLength: 500,
  description: 'Id of a registered snapshot, or `synthetic:SIZE,…`',
})

export const WorkloadName = Type.String({
  minLength: 1,
  maxLength: 500,
  description: 'Id of an uploaded trace, or a generated workload: `working-set:share=10%,vcpus=4`',
})

export const NewSession = strict({
  snapshot: SnapshotName,
  policy: SpecText,
  layout: Type.Optional(
    Type.String({ maxLength: 500, description: 'Host pages, `2M` or `m0=2M,…`; 4K when not given' }),
  ),
  storage: Type.Optional(Type.String({ maxLength: 500, description: 'nvme when not given' })),
  profile: Type.Optional(Profile),
  vcpus: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
  seed: Type.Optional(Seed),
  guest: Type.Optional(Type.Boolean({ description: 'vCPUs are those of a KVM guest; else threads' })),
  fixedNs: Type.Optional(Ns),
  recording: Type.Optional(WorkloadName),
})
export type NewSession = Static<typeof NewSession>

export const ForkRequest = strict({
  policy: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 500,
      description: 'Decides from this instant on; the same one when not given',
    }),
  ),
})
export type ForkRequest = Static<typeof ForkRequest>

export const SessionRecord = strict({
  id: Id,
  spec: Type.Unsafe<NewSession>({ ...NewSession, description: 'Of a fork, with the policy that decides now' }),
  forkOf: nullable(Id),
  pages: Type.Integer({ description: 'Target pages: what `page` counts' }),
  hostPages: Type.Integer(),
  accesses: Type.Integer({ description: 'Accesses so far' }),
  state: oneOf(['open', 'stored'], 'stored: was idle and is out of memory; the next request brings it back'),
  bytes: Type.Integer({ description: 'Memory that it holds; 0 when stored' }),
  createdAt: Type.String(),
  usedAt: Type.String(),
})
export type SessionRecord = Static<typeof SessionRecord>

export const SessionState = strict({
  clockNs: Ns,
  accesses: Type.Integer(),
  pending: Type.Integer({ description: 'Accesses that have no answer yet' }),
  resumeNs: Ns,
  residentPages: Type.Integer({ description: 'Host pages' }),
  counters: strict({
    faults: Type.Integer(),
    minorFaults: Type.Integer(),
    copies: Type.Integer(),
    zeropages: Type.Integer(),
    zeroCopies: Type.Integer(),
    bytesRead: Type.Integer(),
    deviceBytesRead: Type.Integer(),
    bytesInstalled: Type.Integer(),
    stallNs: Ns,
  }),
  histogram: strict(
    { upperNs: f64('Upper edge of each bucket'), share: f64('Share of all faults that took so long or less') },
    'Latency of faults that had to wait: the buckets that hold any',
  ),
  resident: u32('Bitmap over host pages: bit i & 31 of word i >>> 5'),
})
export type SessionState = Static<typeof SessionState>

export const ReplayRequest = strict({ workload: WorkloadName })
export type ReplayRequest = Static<typeof ReplayRequest>

export const EndRequest = strict({ vcpu: Type.Optional(Type.Integer({ minimum: 0, maximum: 1023 })) })
export type EndRequest = Static<typeof EndRequest>

/** What was installed since the answer before: runs of host pages. */
export const Installed = strict({
  first: u32('First host page of each run'),
  count: u32('Host pages of each run'),
  op: u8('0 copy, 1 zeropage, 2 zero-copy'),
  atNs: f64('When'),
})
