/**
 * Fault latencies as an HdrHistogram log, for the tools that read those: a line a restore, its policy as the tag, its interval
 * from resume to work done. Log format 1.3 and payload V2 as in https://github.com/HdrHistogram/HdrHistogram
 * (HistogramLogWriter, AbstractHistogram.encodeIntoCompressedByteBuffer).
 *
 * Our histogram has the buckets of an HdrHistogram of two significant digits (256 linear ones, then 128 for each power of
 * two), so that nothing is lost on the way but the exact mean.
 */
import { deflateSync } from 'node:zlib'
import type { RestoreResult } from '../engine/result.ts'
import { printable, uniqueLabels } from './series.ts'

const COOKIE = 0x1c849313
const COMPRESSED_COOKIE = 0x1c849314
const HEADER_BYTES = 40
const SIGNIFICANT_DIGITS = 2
/** Buckets of a power of two, and of what lies below the first. */
const HALF = 128
const NS_PER_S = 1e9
/** What the log's column of maxima is in. */
const NS_PER_MS = 1e6

/** Restores without faults have no line. All begin at second 0. */
export function renderHdrLog(results: readonly RestoreResult[]): string {
  const labels = uniqueLabels(results)
  const lines = results.flatMap((result, i) => (result.faults === 0 ? [] : [lineOf(result, labels[i])]))
  return [
    '#[Fault latencies in ns, by lazyrestore; maxima in ms]',
    '#[Histogram log format version 1.3]',
    '#[StartTime: 0.000 (seconds since epoch), 1970-01-01T00:00:00.000Z]',
    '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ...lines,
    '',
  ].join('\n')
}

function lineOf({ resumeNs, workDoneNs, faultLatencyNs, ...result }: RestoreResult, label: string): string {
  const seconds = [resumeNs, workDoneNs - resumeNs].map(ns => (ns / NS_PER_S).toFixed(6))
  const max = ((faultLatencyNs?.max ?? 0) / NS_PER_MS).toFixed(6)
  return `Tag=${tagOf(label)},${seconds.join(',')},${max},${encodeHistogram(countsOf(result.latencyCdf, result.faults))}`
}

/** A tag ends at the first comma, and has no spaces. */
function tagOf(label: string): string {
  return printable(label).replaceAll(/[,\s]+/g, ';')
}

/** Counts by bucket, from the distribution that a record has. */
function countsOf(latencyCdf: RestoreResult['latencyCdf'], faults: number): number[] {
  const counts: number[] = []
  let before = 0
  for (const [ns, share] of latencyCdf) {
    const upTo = Math.round(share * faults)
    const bucket = bucketOf(Math.floor(ns))
    while (counts.length <= bucket) counts.push(0)
    counts[bucket] += upTo - before
    before = upTo
  }
  return counts
}

function bucketOf(ns: number): number {
  if (ns < 2 * HALF) return ns
  const exponent = Math.floor(Math.log2(ns)) - Math.log2(HALF)
  return exponent * HALF + Math.floor(ns / 2 ** exponent)
}

/** Base64 of the compressed form. */
function encodeHistogram(counts: readonly number[]): string {
  const payload = encodeCounts(counts)
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeInt32BE(COOKIE, 0)
  header.writeInt32BE(payload.length, 4)
  header.writeInt32BE(0, 8) // normalising index offset
  header.writeInt32BE(SIGNIFICANT_DIGITS, 12)
  header.writeBigInt64BE(1n, 16) // lowest discernible value
  header.writeBigInt64BE(BigInt(highestTrackable(counts.length)), 24)
  header.writeDoubleBE(1, 32) // integer to double conversion
  const compressed = deflateSync(Buffer.concat([header, payload]))
  const head = Buffer.alloc(8)
  head.writeInt32BE(COMPRESSED_COOKIE, 0)
  head.writeInt32BE(compressed.length, 4)
  return Buffer.concat([head, compressed]).toString('base64')
}

/** The last value of the last power of two that the counts reach into. */
function highestTrackable(buckets: number): number {
  return 2 * HALF * 2 ** Math.max(0, Math.ceil(buckets / HALF) - 2) - 1
}

/** Counts as zigzag LEB128; a run of zeros is one negative number. */
function encodeCounts(counts: readonly number[]): Buffer {
  const bytes: number[] = []
  for (let i = 0; i < counts.length; ) {
    const first = i
    while (i < counts.length && counts[i] === 0) i++
    if (i > first) putZigzag(bytes, -(i - first))
    else putZigzag(bytes, counts[i++])
  }
  return Buffer.from(bytes)
}

function putZigzag(bytes: number[], value: number): void {
  let rest = value < 0 ? -2 * value - 1 : 2 * value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
}
