/** What a process has read so far (proc_pid_io(5)): its own count of system calls' bytes, and what storage devices delivered. */
import { readFileSync } from 'node:fs'

export interface ProcessIo {
  readonly bytesRead: number
  readonly deviceBytesRead: number
}

/** Zeros where it may not be asked. */
export function processIo(processId: number): ProcessIo {
  try {
    const text = readFileSync(`/proc/${processId}/io`, 'latin1')
    const field = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
    return { bytesRead: field('rchar'), deviceBytesRead: field('read_bytes') }
  } catch {
    return { bytesRead: 0, deviceBytesRead: 0 }
  }
}

/** Between two looks. */
export function readBetween(before: ProcessIo, after: ProcessIo): ProcessIo {
  return {
    bytesRead: after.bytesRead - before.bytesRead,
    deviceBytesRead: after.deviceBytesRead - before.deviceBytesRead,
  }
}
