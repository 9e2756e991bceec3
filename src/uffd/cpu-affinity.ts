/** Where threads run: the CPUs that this process may use, and sched_setaffinity(2) of the calling thread. */
import { readFileSync } from 'node:fs'
import { LazyRestoreError } from '../core/error.ts'
import { errnoName } from './constants.ts'
import { libc } from './native.ts'

const BITS = 32

/** Numbers of a kernel's list, such as `0-3,8`. */
export function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .filter(range => range !== '')
    .flatMap(range => {
      const [first, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, i) => first + i)
    })
}

/** CPUs that this process may run on. */
export function allowedCpus(): number[] {
  const status = readFileSync('/proc/self/status', 'latin1')
  return parseCpuList(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '0')
}

/** Two CPUs that are not threads of one core, if there are; else any two; null when there is only one. */
export function twoCores(): readonly [number, number] | null {
  const [first, ...others] = allowedCpus()
  if (others.length === 0) return null
  const siblings = siblingsOf(first)
  return [first, others.find(cpu => !siblings.includes(cpu)) ?? others[0]]
}

/** Binds the calling thread to one CPU. @throws LazyRestoreError `io` */
export function pinTo(cpu: number): void {
  runOn([cpu])
}

/** Lets the calling thread run on these CPUs, at least one, and no others. @throws LazyRestoreError `io` */
export function runOn(cpus: readonly number[]): void {
  // The kernel takes whole 64-bit words.
  const mask = new Uint32Array(2 * (Math.floor(Math.max(...cpus) / (2 * BITS)) + 1))
  for (const cpu of cpus) mask[Math.floor(cpu / BITS)] |= 1 << (cpu % BITS)
  const c = libc()
  if (c.sched_setaffinity(0, mask.byteLength, mask) < 0) {
    throw new LazyRestoreError(
      'io',
      `sched_setaffinity to CPU ${cpus}: found ${errnoName(c.errno())}, expected success`,
    )
  }
}

/**
 * Binds the calling thread to the n-th CPU, counted around, while it runs `work`; undefined: to none. What threads that wake each other wait for
 * depends on whether they share a CPU, by a factor of ten on virtual machines, and left alone that is luck.
 */
export function boundToCpu<T>(n: number | undefined, work: () => T): T {
  if (n === undefined) return work()
  const cpus = allowedCpus()
  pinTo(cpus[n % cpus.length])
  try {
    return work()
  } finally {
    runOn(cpus)
  }
}

function siblingsOf(cpu: number): number[] {
  try {
    return parseCpuList(readFileSync(`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`, 'latin1'))
  } catch {
    return [cpu]
  }
}
