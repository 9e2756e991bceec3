/**
 * Records as bytes: MessagePack of `[version, value]`. A record that a newer server wrote is refused rather than misread;
 * one that an older server wrote is brought up to date when it is read.
 */
import { LazyRestoreError } from 'lazyrestore'
import { Packr, Unpackr } from 'msgpackr'

const VERSION = 2
const CODEC = { useRecords: false, moreTypes: true } as const

const packr = new Packr(CODEC)
const unpackr = new Unpackr(CODEC)

/** What makes a value of one version into that of the next: `UPGRADES[v - 1]` takes version v. */
const UPGRADES: readonly ((value: unknown) => unknown)[] = [withEarlierPolicies]

export function encodeRecord(value: unknown): Buffer {
  return Buffer.from(packr.pack([VERSION, value]))
}

/** @throws LazyRestoreError `unsupported` for a record of a newer server, `format` for what is no record */
export function decodeRecord(bytes: Uint8Array): unknown {
  const record: unknown = unpackr.unpack(bytes)
  if (!Array.isArray(record) || record.length !== 2 || !Number.isInteger(record[0]) || record[0] < 1) {
    throw new LazyRestoreError('format', 'store: found bytes that are no record, expected [version, value]')
  }
  const [version, value] = record
  if (version > VERSION) {
    throw new LazyRestoreError(
      'unsupported',
      `store: found a record of version ${version}, expected at most ${VERSION}`,
    )
  }
  return UPGRADES.slice(version - 1).reduce((older, upgrade) => upgrade(older), value)
}

/** To version 2: the log of a session (and no other record has these columns) says which policies it had before. */
function withEarlierPolicies(value: unknown): unknown {
  const isLog = typeof value === 'object' && value !== null && 'thinkNs' in value && 'ended' in value
  return isLog ? { ...value, earlier: [] } : value
}
