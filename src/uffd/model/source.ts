/** The source of a COPY: the caller's own memory, read as the kernel reads a user buffer. */
import { LazyRestoreError } from '../../core/error.ts'
import { access, residentPage } from './access.ts'
import type { ModelProcess } from './model-process.ts'
import { PAGE_SIZE } from './numbers.ts'

/**
 * The bytes at `[address, address + length)`, or null when they cannot be read (EFAULT).
 * @throws LazyRestoreError `unsupported` when the source itself is missing in a registered range: the real call would sleep
 */
export function readSource(process: ModelProcess, address: number, length: number): Uint8Array | null {
  const { mm } = process
  const whole = mm.vmas.find(address)
  if (whole?.buffer && address + length <= whole.end) {
    const from = whole.offset + address - whole.start
    return padded(whole.buffer.subarray(from, from + length), length)
  }
  const bytes = new Uint8Array(length)
  for (let at = address; at < address + length; at += PAGE_SIZE - (at % PAGE_SIZE)) {
    const vma = mm.vmas.find(at)
    if (vma === undefined) return null
    const result = access(mm, process.pool, at, false)
    if (typeof result !== 'string') {
      throw new LazyRestoreError(
        'unsupported',
        'COPY: found a source page that is missing itself, expected present ones',
      )
    }
    if (result !== 'ok') return null
    const part = Math.min(PAGE_SIZE - (at % PAGE_SIZE), address + length - at)
    bytes.set(readPart(process, at, part), at - address)
  }
  return bytes
}

function readPart({ mm }: ModelProcess, address: number, length: number): Uint8Array {
  const vma = mm.vmas.find(address)!
  if (vma.buffer !== null) {
    const from = vma.offset + address - vma.start
    return padded(vma.buffer.subarray(from, from + length), length)
  }
  const resident = residentPage(mm, address)
  return resident?.page.bytes?.subarray(resident.offset, resident.offset + length) ?? new Uint8Array(length)
}

/** A buffer's last page reads as zeros behind its end. */
function padded(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length === length) return bytes
  const whole = new Uint8Array(length)
  whole.set(bytes)
  return whole
}
