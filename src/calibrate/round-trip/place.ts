/** Where threads run: the CPUs that this process may use, and sched_setaffinity(2) of the calling thread. */
import { readFileSync } from 'node:fs'
import { LazyRestoreError } from '../../core/error.ts'
import { errnoName } from '../../uffd/constants.ts'
import { libc } from '../../uffd/native.ts'

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
  const mask = new Uint32Array(Math.floor(cpu / BITS) + 1)
  mask[Math.floor(cpu / BITS)] = 1 << (cpu % BITS)
  // The kernel takes whole 64-bit words.
  const words = mask.length % 2 === 0 ? mask : Uint32Array.from([...mask, 0])
  const c = libc()
  if (c.sched_setaffinity(0, words.byteLength, words) < 0) {
    throw new LazyRestoreError('io', `sched_setaffinity to CPU ${cpu}: found ${errnoName(c.errno())}, expected success`)
  }
}

function siblingsOf(cpu: number): number[] {
  try {
    return parseCpuList(readFileSync(`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`, 'latin1'))
  } catch {
    return [cpu]
  }
}
