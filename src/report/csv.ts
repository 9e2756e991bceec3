/** The records as CSV (RFC 4180): a row a restore, scalar fields only, whole ns and bytes, empty where there is none. */
import type { RestoreResult } from '../engine/result.ts'

/** Null where there is none. */
export type FieldValue = string | number | null

/** The scalar fields of a record, in the order of the columns. */
export const RECORD_FIELDS: readonly (readonly [name: string, value: (result: RestoreResult) => FieldValue])[] = [
  ['policy', r => r.policy],
  ['engine', r => r.engine],
  ['seed', r => r.seed],
  ['snapshot.name', r => r.snapshot.name],
  ['snapshot.identity', r => r.snapshot.identity],
  ['snapshot.bytes', r => r.snapshot.bytes],
  ['workload.name', r => r.workload.name],
  ['workload.accesses', r => r.workload.accesses],
  ['workload.vcpus', r => r.workload.vcpus],
  ['storage', r => r.storage],
  ['layout', r => r.layout],
  ['fixedNs', r => r.fixedNs],
  ['resumeNs', r => r.resumeNs],
  ['firstAccessNs', r => r.firstAccessNs],
  ['workDoneNs', r => r.workDoneNs],
  ['residentNs', r => r.residentNs],
  ['stallNs.total', r => r.stallNs.total],
  ['faults', r => r.faults],
  ['minorFaults', r => r.minorFaults],
  ['copies', r => r.copies],
  ['zeropages', r => r.zeropages],
  ['zeroCopies', r => r.zeroCopies],
  ['eexist', r => r.eexist],
  ['eagain', r => r.eagain],
  ['errors', r => r.errors],
  ['faultLatencyNs.mean', r => r.faultLatencyNs?.mean ?? null],
  ['faultLatencyNs.p50', r => r.faultLatencyNs?.p50 ?? null],
  ['faultLatencyNs.p90', r => r.faultLatencyNs?.p90 ?? null],
  ['faultLatencyNs.p99', r => r.faultLatencyNs?.p99 ?? null],
  ['faultLatencyNs.p999', r => r.faultLatencyNs?.p999 ?? null],
  ['faultLatencyNs.max', r => r.faultLatencyNs?.max ?? null],
  ['bytesRead', r => r.bytesRead],
  ['deviceBytesRead', r => r.deviceBytesRead],
  ['bytesInstalled', r => r.bytesInstalled],
  ['bytesTouched', r => r.bytesTouched],
  ['readAmplification', r => r.readAmplification],
  ['prefetchAccuracy', r => r.prefetchAccuracy],
  ['prefetchCoverage', r => r.prefetchCoverage],
  ['slowdown', r => r.slowdown],
]

export function renderCsv(results: readonly RestoreResult[]): string {
  const rows = results.map(result => csvLine(RECORD_FIELDS.map(([name, value]) => wholeUnits(name, value(result)))))
  return [csvLine(RECORD_FIELDS.map(([name]) => name)), ...rows].join('')
}

/** A row with its end. */
export function csvLine(cells: readonly FieldValue[]): string {
  return `${cells.map(quote).join(',')}\r\n`
}

/** Virtual time and means have fractions of a ns, which say nothing. */
export function wholeUnits(name: string, cell: FieldValue): FieldValue {
  return typeof cell === 'number' && /Ns\b/.test(name) ? Math.round(cell) : cell
}

function quote(cell: FieldValue): string {
  const text = cell === null ? '' : String(cell)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
